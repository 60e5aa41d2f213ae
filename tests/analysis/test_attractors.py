"""Hopfield nets and rings, whose attractors can be counted beforehand."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from rnnlab.analysis.attractors import Attractors
from rnnlab.analysis.base import Findings
from rnnlab.errors import ConfigError
from rnnlab.models import Stream
from rnnlab.tasks import AttractorMemory
from tests.analysis.numerics.machines import experiment_of
from tests.small_runs import assemble
from tests.tasks.hopfield import hopfield

SMALL = ["data.batch_size=4", "data.val_size=4", "data.test_size=4"]


def analysis(**settings: Any) -> Attractors:
    given = {
        "input": "auto",
        "system": None,
        "starts": "auto",
        "random_units": None,
        "num_starts": 200,
        "max_steps": 1000,
        "max_period": 12,
        "tolerance": 1e-8,
        "seed": 0,
    }
    return Attractors(**given | settings)


def memory(**settings: Any) -> AttractorMemory:
    given = {
        "num_patterns": 3,
        "pattern_size": 60,
        "clamped_bits": None,
        "corruption": "flip",
        "corrupted_share": 0.1,
        "length": 6,
        "answer_last": 2,
        "taught_bits": None,
    }
    return AttractorMemory("stream", 0, **given | settings)


def ring(size: int) -> tuple[AttractorMemory, Stream]:
    """Make units that each take over the sign of the one before, round and round."""
    task = memory(pattern_size=size, num_patterns=1, corrupted_share=0.5)
    net = hopfield(task)
    with torch.no_grad():
        net.cell.layers[0].recurrent_weight.copy_(8 * torch.eye(size).roll(1, dims=0))
    return task, net


def only(found: Findings) -> dict[str, Any]:
    (one,) = found.numbers["maps"]
    return one


def test_the_patterns_of_a_hopfield_net_are_its_fixed_points() -> None:
    task = memory()
    found = only(analysis().analyze(experiment_of(task, hopfield(task))))
    assert [one["period"] for one in found["attractors"]] == [1, 1, 1]
    assert {one["pattern"] for one in found["attractors"]} == {0, 1, 2}
    assert sum(one["basin"] for one in found["attractors"]) == pytest.approx(1)
    assert found["recall"] == {"accuracy": 1, "exact_match": 1}
    for one in found["attractors"]:
        signs = one["cycle"].sign()
        assert torch.equal(signs[0], torch.from_numpy(task.patterns[one["pattern"]]))


def test_from_anywhere_a_hopfield_net_also_comes_to_mirror_images() -> None:
    """The energy is the same for a pattern and its negative (Hopfield, 1982)."""
    task = memory()
    found = only(analysis(starts="random").analyze(experiment_of(task, hopfield(task))))
    spurious = [one for one in found["attractors"] if one["pattern"] is None]
    mirrored = {
        number
        for one in spurious
        for number, pattern in enumerate(torch.from_numpy(task.patterns))
        if torch.equal(one["cycle"][0].sign(), -pattern)
    }
    assert mirrored == {0, 1, 2}
    assert found["recall"] == {}


@pytest.mark.parametrize(
    ("size", "periods"), [(5, [1] * 2 + [5] * 6), (6, [1] * 2 + [2] + [3] * 2 + [6] * 9)]
)
def test_a_ring_has_as_many_cycles_as_there_are_necklaces(size: int, periods: list[int]) -> None:
    task, net = ring(size)
    found = only(analysis(num_starts=600).analyze(experiment_of(task, net)))
    assert sorted(one["period"] for one in found["attractors"]) == periods
    for one in found["attractors"]:
        if one["period"] == size:
            assert one["basin"] == pytest.approx(size / 2**size, abs=0.06)


def test_recall_is_scored_where_the_states_end() -> None:
    """A net that holds whatever it begins with recalls the clue, and no more."""
    task = memory(pattern_size=40, corrupted_share=0.25)
    net = hopfield(task)
    with torch.no_grad():
        net.cell.layers[0].recurrent_weight.copy_(8 * torch.eye(40))
    found = only(analysis().analyze(experiment_of(task, net)))
    assert found["recall"]["accuracy"] == pytest.approx(0.75, abs=0.03)
    assert found["recall"]["exact_match"] < 0.05


def test_some_units_can_be_random_and_the_others_as_at_work() -> None:
    task = memory(pattern_size=40, corrupted_share=0.0)
    net = hopfield(task)
    with torch.no_grad():
        net.cell.layers[0].recurrent_weight.copy_(8 * torch.eye(40))
    settings = {"starts": "random", "random_units": 3, "num_starts": 400}
    found = only(analysis(**settings).analyze(experiment_of(task, net)))
    ends = torch.cat([one["cycle"] for one in found["attractors"]]).sign()
    assert {tuple(row) for row in ends[:, 3:].tolist()} == {
        tuple(row) for row in task.patterns[:, 3:].tolist()
    }
    assert len({tuple(row) for row in ends[:, :3].tolist()}) == 8


@pytest.mark.parametrize("model", ["elman", "gru", "lstm", "jordan", "seq2seq"])
@pytest.mark.parametrize("task", ["attractor_memory", "oscillation", "copy"])
def test_every_model_that_carries_a_state_is_let_go(model: str, task: str) -> None:
    words = [f"model={model}", f"task={task}", *SMALL]
    if task == "copy":
        words += ["task.length=3", "task.delay=2"]
    if model in ("elman", "gru", "lstm"):
        words += ["model.cell.hidden_size=16", "model.num_layers=2"]
    experiment = assemble(words)
    experiment.model.eval()
    found = only(analysis(num_starts=20, max_steps=300, tolerance=1e-4).analyze(experiment))
    total = sum(one["basin"] for one in found["attractors"]) + found["not_settled"]
    assert total == pytest.approx(1)
    assert (found["nearest_return"] is None) == (found["not_settled"] == 0)


def test_a_decoder_holds_what_its_encoder_was_told() -> None:
    experiment = assemble(["model=seq2seq", "task=attractor_memory", *SMALL])
    experiment.model.eval()
    found = only(analysis(num_starts=20, max_steps=100).analyze(experiment))
    assert set(found["recall"]) == {"accuracy", "exact_match"}
    found = only(analysis(num_starts=20, max_steps=100, system="encoder").analyze(experiment))
    assert found["recall"] == {}


def test_few_trajectories_are_drawn_and_the_cycle_is_on_top() -> None:
    pytest.importorskip("matplotlib")
    words = ["model=jordan", "task=oscillation", "task.curve=four_corners", *SMALL]
    experiment = assemble(words)
    found = analysis(num_starts=200, tolerance=1e-2).analyze(experiment)
    left, right = found.pictures[""].draw().axes
    paths = [line for line in left.get_lines() if line.get_alpha() is not None]
    others = [line for line in left.get_lines() if line.get_marker() == "o"]
    assert 0 < len(paths) <= 2 * max(6, len(right.patches))
    assert len(others) == len(found.numbers["maps"][0]["attractors"])
    assert all(one.get_zorder() > max(p.get_zorder() for p in paths) for one in others)


def test_a_path_to_a_short_cycle_is_drawn_once_a_round() -> None:
    pytest.importorskip("matplotlib")
    task, net = ring(3)
    found = analysis(num_starts=40, max_period=3).analyze(experiment_of(task, net))
    left, _ = found.pictures[""].draw().axes
    paths = [line for line in left.get_lines() if line.get_alpha() is not None]
    assert paths
    for path in paths:
        assert path.get_xydata()[-1] == pytest.approx(path.get_xydata()[-2], abs=1e-3)
    assert left.get_title().endswith("once a round")


def test_each_input_has_its_own_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ["model=elman", "model.cell.hidden_size=6", "task=addition_binary", *SMALL]
    experiment = assemble([*words, f"output_dir={tmp_path}"])
    found = analysis(input="each", num_starts=30).analyze(experiment)
    assert list(found.pictures) == ["1", "2", "3", "4"]
    assert len(found.numbers["maps"]) == 4
    for picture in found.pictures.values():
        plane, bars = picture.draw().axes
        assert plane.lines
        assert bars.patches


def test_what_is_drawn_is_each_basin_and_the_rest() -> None:
    pytest.importorskip("matplotlib")
    task, net = ring(6)
    found = analysis(num_starts=300, max_period=3).analyze(experiment_of(task, net))
    _, bars = found.pictures[""].draw().axes
    labels = [label.get_text() for label in bars.get_yticklabels()]
    assert sorted(labels) == ["cycle of 2", *["cycle of 3"] * 2, *["fixed point"] * 2, "no return"]
    widths = sum(bar.get_width() for bar in bars.patches)
    assert widths == pytest.approx(1)


def test_what_flies_away_is_told_of_and_not_drawn() -> None:
    pytest.importorskip("matplotlib")
    task = memory()
    net = hopfield(task)
    net.cell.layers[0].activation = "relu"
    with torch.no_grad():
        net.cell.layers[0].recurrent_weight.copy_(3 * torch.eye(60))
        net.cell.layers[0].bias.fill_(1.0)
    found = analysis().analyze(experiment_of(task, net))
    assert only(found)["not_settled"] == 1
    assert any("fly away" in line for line in found.lines)
    plane, bars = found.pictures[""].draw().axes
    assert not plane.lines
    assert [label.get_text() for label in bars.get_yticklabels()] == ["flying away"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"random_units": 3}, "analysis.random_units must be null with analysis.starts=task"),
        (
            {"starts": "random", "random_units": 61},
            "analysis.random_units must be null or at most 60, .* got 61",
        ),
        ({"system": "decoder"}, "analysis.system must be null or one of network, got decoder"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings: dict[str, Any], message: str) -> None:
    task = memory()
    with pytest.raises(ConfigError, match=message):
        analysis(**settings).analyze(experiment_of(task, hopfield(task)))


def test_delay_lines_are_refused_unless_they_hear_themselves() -> None:
    refuse = partial(analysis().refusal)
    copying = assemble(["model=ar", "task=copy", *SMALL])
    swinging = assemble(["model=ar", "task=oscillation", *SMALL])
    assert "last inputs" in refuse(copying.model, copying.task)
    assert refuse(swinging.model, swinging.task) is None
