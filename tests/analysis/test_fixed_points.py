"""Points that the analysis finds are fixed, and have the eigenvalues of the system's Jacobian."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlab.analysis.figures.fixed_points import FixedPoint
from rnnlab.analysis.fixed_points import FixedPoints, _order
from rnnlab.analysis.probe.system import in_double, systems
from rnnlab.experiment.experiment import Experiment
from tests.analysis.pictures import unnamed_colors
from tests.dear import dear_but
from tests.small_runs import COPY, SMALL, assemble, tiny

CELLS = {
    "elman": ["model=elman", "model.cell.hidden_size=5"],
    "gru": ["model=gru", "model.cell.hidden_size=5"],
    "lstm": ["model=lstm", "model.cell.hidden_size=5"],
    "jordan": ["model=jordan", "model.cell.hidden_size=5"],
    "two_layers": ["model=gru", "model.cell.hidden_size=4", "model.num_layers=2"],
}
OSCILLATION = ["task=oscillation", "task.eval_periods=2", *SMALL]


def fixed_points(**settings) -> FixedPoints:
    chosen = {
        "input": "auto",
        "system": None,
        "num_sequences": 6,
        "num_starts": 12,
        "noise": 0.5,
        "descent_steps": 300,
        "descent_rate": 0.05,
        "reach": 50.0,
        "slow_speed": 0.1,
        "seed": 0,
    }
    return FixedPoints(**chosen | settings)


def build(tmp_path: Path, *words: str) -> Experiment:
    experiment = assemble([*words, f"output_dir={tmp_path}"])
    experiment.model.eval()
    return experiment


@pytest.mark.parametrize("name", dear_but(["elman", "two_layers"], CELLS))
def test_what_is_found_in_a_cell_is_fixed_and_its_eigenvalues_are_the_jacobians(
    name: str, tmp_path: Path
) -> None:
    experiment = build(tmp_path, *COPY, *CELLS[name])
    (found,) = fixed_points().analyze(experiment).numbers["maps"]
    assert found["reads"] == "input _"
    (system,) = systems(in_double(experiment.model)).values()
    blank = system.stream.embed(torch.tensor([experiment.task.blank])).double()
    fixed = [point for point in found["points"] if point["kind"] != "slow"]
    assert fixed
    for point in fixed:
        state = point["state"][None]
        torch.testing.assert_close(system.step(blank, state), state, rtol=0, atol=1e-8)
        right = torch.linalg.eigvals(system.jacobian(blank, state)[0]).abs()
        told = point["eigenvalues"].abs()
        torch.testing.assert_close(told, right.sort(descending=True).values, rtol=0, atol=1e-6)


def test_a_latch_has_two_memories_for_the_blank_and_one_for_each_symbol(tmp_path: Path) -> None:
    """A unit that keeps its sign, and symbols that are strong enough to set it."""
    experiment = build(tmp_path, *tiny(tmp_path), "model.cell.hidden_size=1")
    (cell,) = experiment.model.cell.layers
    with torch.no_grad():
        cell.recurrent_weight.fill_(2.0)
        cell.bias.zero_()
        cell.input_weight.copy_(torch.tensor([[3.0, -3.0, *[0.0] * 8]]))
    kinds = {
        symbol: [
            (point["kind"], round(float(point["state"]), 3))
            for point in fixed_points(input=symbol, noise=1.0, num_starts=40)
            .analyze(experiment)
            .numbers["maps"][0]["points"]
            if point["kind"] != "slow"
        ]
        for symbol in ("a", "b", "_")
    }
    assert kinds["a"] == [("stable", 1.0)]
    assert kinds["b"] == [("stable", -1.0)]
    assert sorted(kinds["_"]) == [("stable", -0.958), ("stable", 0.958), ("unstable", 0.0)]


def test_two_taps_of_a_sine_turn_around_a_neutral_point(tmp_path: Path) -> None:
    experiment = build(tmp_path, "model=ar", "model.cell.taps=2", "task.curve=sine", *OSCILLATION)
    with torch.no_grad():
        experiment.model.readout.weight.copy_(torch.tensor([[2 * np.cos(2 * np.pi / 25), -1.0]]))
        experiment.model.readout.bias.zero_()
    found = fixed_points().analyze(experiment)
    assert found.lines[1].startswith(
        "  neutral  largest |eigenvalue| 1.000, turns once in 25 steps"
    )
    heading, row = found.tables[""]
    assert dict(zip(heading, row, strict=True))["turns_in"] == pytest.approx(25, abs=1e-4)


def test_points_out_of_reach_do_not_count(tmp_path: Path) -> None:
    experiment = build(tmp_path, *tiny(tmp_path))
    found = fixed_points(reach=1e-6).analyze(experiment)
    assert found.lines[0].startswith("points reading input _: none; 12 of 12 starts went out of")


@pytest.mark.thorough
def test_a_memory_that_no_sequence_comes_near_is_found_and_told(tmp_path: Path) -> None:
    """Every symbol sets the latch, and none clears it."""
    experiment = build(tmp_path, *tiny(tmp_path), "model.cell.hidden_size=1")
    (cell,) = experiment.model.cell.layers
    with torch.no_grad():
        cell.recurrent_weight.fill_(2.0)
        cell.bias.zero_()
        cell.input_weight.fill_(3.0)
        cell.input_weight[0, experiment.task.blank] = 0
    found = fixed_points(reach=1.2).analyze(experiment)
    (points,) = (one["points"] for one in found.numbers["maps"])
    assert [round(float(point["state"]), 3) for point in points] == [0.958]
    (reaches,) = (one["reach_of_points_out_of_reach"] for one in found.numbers["maps"])
    assert found.lines[0].endswith(
        f"1 stable; {len(reaches)} fixed point{'s'[: len(reaches) - 1]} out of reach, the nearest "
        f"within analysis.reach={np.ceil(10 * reaches[0]) / 10:g}"
    )
    more = fixed_points(reach=reaches[-1] + 0.1).analyze(experiment).numbers["maps"][0]["points"]
    assert -0.958 in [round(float(point["state"]), 3) for point in more]


@pytest.mark.thorough
def test_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    experiment = build(tmp_path, *tiny(tmp_path))
    one, same, other = (fixed_points(seed=seed).analyze(experiment) for seed in (3, 3, 4))
    assert one.tables == same.tables
    assert one.tables != other.tables


def test_a_delay_line_is_refused_unless_it_reads_its_answers(tmp_path: Path) -> None:
    line = build(tmp_path, *COPY, "model=ar")
    assert "stands still" in fixed_points().refusal(line.model, line.task)
    rhythm = build(tmp_path, "model=ar", *OSCILLATION)
    assert fixed_points().refusal(rhythm.model, rhythm.task) is None


@pytest.mark.parametrize(
    "words",
    [
        [
            "model=elman",
            "model.cell.hidden_size=4",
            "task=addition_binary",
            "task.length=4",
            *SMALL,
        ],
        ["model=seq2seq", "task=copy", "task.length=3", *SMALL],
        ["model=elman", "model.cell.hidden_size=1", "task=copy", "task.length=3", *SMALL],
    ],
)
def test_one_map_or_several_are_drawn(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    several = "task=addition_binary" in words
    found = fixed_points(
        input="each" if several else "auto", num_starts=4, descent_steps=20
    ).analyze(build(tmp_path, *words))
    assert list(found.pictures) == (["", "eigenvalues"] if several else [""])
    for picture in found.pictures.values():
        figure = picture.draw()
        (legend,) = figure.legends
        assert [axes for axes in figure.axes if unnamed_colors(axes, legend)] == []
        assert all(axes.get_title(loc="left") or axes.get_title() for axes in figure.axes)
    heads = [text for axes in found.pictures[""].draw().axes for text in axes.texts]
    assert heads  # of arrows


def test_points_of_equal_hits_keep_their_order_however_they_were_found() -> None:
    points = [
        FixedPoint(kind, torch.zeros(1), 0.0, hits, torch.tensor([modulus + 0j]))
        for kind, hits, modulus in (
            ("stable", 29, 0.2),
            ("stable", 29, 0.7),
            ("stable", 3, 0.1),
            ("saddle", 40, 1.2),
        )
    ]
    assert all(sorted(found, key=_order) == points for found in permutations(points))
