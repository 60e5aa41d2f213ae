"""Exponents of models that are wired to have known ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlab.analysis.lyapunov import Lyapunov
from rnnlab.analysis.probe.system import batch_in_double, in_double, systems, traces
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.plots.palette import GREY
from tests.analysis.pictures import clashes, unnamed_colors
from tests.analysis.test_fixed_points import CELLS, OSCILLATION, build
from tests.small_runs import COPY, SMALL, tiny, tiny_text


def lyapunov(**settings) -> Lyapunov:
    chosen = {
        "drive": "auto",
        "input": None,
        "system": None,
        "num_sequences": 3,
        "steps": 40,
        "transient": 5,
        "num_exponents": None,
        "gains": None,
        "num_shuffles": 0,
        "seed": 0,
    }
    return Lyapunov(**chosen | settings)


def fading(tmp_path: Path, *words: str) -> Experiment:
    """An Elman network that hears nothing, and keeps half and a quarter of its two units."""
    experiment = build(tmp_path, *tiny(tmp_path), "model.cell.hidden_size=2", *words)
    (cell,) = experiment.model.cell.layers
    with torch.no_grad():
        cell.input_weight.zero_()
        cell.bias.zero_()
        cell.recurrent_weight.copy_(torch.tensor([[0.5, 0.0], [0.0, 0.25]]))
    return experiment


@pytest.mark.parametrize("drive", ["sequences", "constant"])
def test_a_net_that_keeps_half_halves_differences_each_step(drive: str, tmp_path: Path) -> None:
    found = lyapunov(drive=drive, transient=20).analyze(fading(tmp_path))
    assert found.numbers["exponents"].tolist() == pytest.approx(np.log([0.5, 0.25]).tolist())
    reads = "test sequences" if drive == "sequences" else "input _"
    assert found.lines[0] == f"reading {reads}: differences halve every 1 steps"
    assert found.numbers["kaplan_yorke_dimension"] == 0


@pytest.mark.parametrize(
    "name", [n for n in CELLS if n != "jordan"]
)  # which copies: no determinant
def test_driven_exponents_add_up_to_the_mean_log_determinant_along_the_sequences(
    name: str, tmp_path: Path
) -> None:
    """Each sequence begins with its own first state, so the last one's must not be there."""
    experiment = build(tmp_path, *COPY, *CELLS[name], "task.length=4", "task.delay=3")
    model = in_double(experiment.model)
    (system,) = systems(model).values()
    total, steps = 0.0, 0
    for index in range(2):
        batch = batch_in_double(experiment.task.sample("test", index, 3))
        (trace,) = traces(model, batch).values()
        before = torch.cat([trace.start[:, None], system.run(trace.inputs, trace.start)], dim=1)
        made = system.jacobian(trace.inputs.flatten(0, 1), before[:, :-1].flatten(0, 1))
        total += float(torch.linalg.slogdet(made)[1].sum()) / 3
        steps += batch.input.shape[1]
    found = lyapunov(steps=steps, transient=0).analyze(experiment).numbers["exponents"]
    assert float(found.sum()) == pytest.approx(total / steps, rel=1e-6)


def test_two_taps_of_a_sine_keep_every_difference(tmp_path: Path) -> None:
    experiment = build(tmp_path, "model=ar", "model.cell.taps=2", "task.curve=sine", *OSCILLATION)
    with torch.no_grad():
        experiment.model.readout.weight.copy_(torch.tensor([[2 * np.cos(2 * np.pi / 25), -1.0]]))
    found = lyapunov(steps=1000).analyze(experiment)
    assert found.lines[0] == "reading its own answers: a difference neither grows nor fades"
    assert found.numbers["exponents"].tolist() == pytest.approx([0, 0], abs=4e-3)


def test_a_gain_of_linear_units_adds_its_logarithm_and_shuffles_keep_each_units_weights(
    tmp_path: Path,
) -> None:
    pytest.importorskip("matplotlib")
    experiment = fading(tmp_path)
    found = lyapunov(gains=[0.5, 1.0], num_shuffles=3, transient=20, seed=1).analyze(experiment)
    rows = np.array(found.numbers["exponents_at_gains"])
    assert rows[:, 0].tolist() == pytest.approx(np.log([0.25, 0.5]).tolist())
    assert (rows[1] - rows[0]).tolist() == pytest.approx([np.log(2)] * 4)
    # 0.5 or 0.25 on the diagonal, or both beside it: then +-sqrt(0.125).
    possible = np.log([0.5, 0.25, 0.125**0.5])
    assert np.abs(rows[1][:, None] - possible).min(1).max() < 1e-6
    assert np.ptp(rows[1]) > 0.1
    assert experiment.model.cell.layers[0].recurrent_weight.flatten().tolist() == [0.5, 0, 0, 0.25]
    assert len(found.tables["gains"][1]) == 5
    figure = found.pictures["gains"].draw()
    assert not clashes(figure)
    assert not unnamed_colors(figure.axes[0], figure.axes[0].get_legend()) - {GREY}


def test_gains_of_a_net_that_keeps_nothing_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    experiment = fading(tmp_path)
    with torch.no_grad():
        experiment.model.cell.layers[0].recurrent_weight.zero_()
    found = lyapunov(gains=[1.0, 2.0]).analyze(experiment)
    assert found.numbers["exponents_at_gains"] == [[-np.inf], [-np.inf]]
    assert not clashes(found.pictures["gains"].draw())


def test_gains_are_refused_where_a_cell_has_no_recurrent_weight(tmp_path: Path) -> None:
    experiment = build(tmp_path, *COPY, "model=jordan")
    with pytest.raises(ConfigError, match="gains must be null"):
        lyapunov(gains=[1.0]).analyze(experiment)


def test_directions_that_are_lost_are_told_apart_from_those_that_fade(tmp_path: Path) -> None:
    experiment = fading(tmp_path)
    with torch.no_grad():
        experiment.model.cell.layers[0].recurrent_weight[1, 1] = 0.0
    found = lyapunov(transient=20).analyze(experiment)
    assert found.lines[2] == "  1 of 2 directions are lost at once"


def test_a_text_is_read_on_from_window_to_window(tmp_path: Path) -> None:
    experiment = build(tmp_path, *tiny_text(tmp_path / "text"), "model.cell.hidden_size=4")
    found = lyapunov(num_sequences=2, steps=100).analyze(experiment)
    assert found.numbers["exponents_of_each_trajectory"].shape == (2, 4)


@pytest.mark.parametrize("system", [None, "decoder"])
def test_an_encoder_and_a_decoder_can_be_driven(system: str | None, tmp_path: Path) -> None:
    words = ["model=seq2seq", "task=copy", "task.length=3", "model.attention=dot", *SMALL]
    words += ["model.encoder.cell.hidden_size=4", "model.decoder.cell.hidden_size=4"]
    found = lyapunov(system=system, num_exponents=3).analyze(build(tmp_path, *words))
    assert len(found.tables[""]) == 4
    assert len(found.tables["convergence"]) == 41


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"drive": "own", "input": "a"}, "input must be null with drive=own, got 'a'"),
        ({"drive": "constant", "input": "each"}, "input must be one that stays, got 'each'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        lyapunov(**settings)


def test_a_delay_line_is_refused_unless_it_reads_its_answers(tmp_path: Path) -> None:
    line = build(tmp_path, *COPY, "model=ar")
    assert "ends after its taps" in lyapunov().refusal(line.model, line.task)
    rhythm = build(tmp_path, "model=ar", *OSCILLATION)
    assert lyapunov().refusal(rhythm.model, rhythm.task) is None


def test_it_is_drawn_with_and_without_lost_directions(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    experiment = fading(tmp_path)
    for weight in (0.25, 0.0):
        with torch.no_grad():
            experiment.model.cell.layers[0].recurrent_weight.fill_(weight)
        (picture,) = lyapunov().analyze(experiment).pictures.values()
        figure = picture.draw()
        left, right = figure.axes
        (legend,) = figure.legends or [None]
        if legend is not None:
            bare = {"#666666", "#a6a6a6"}  # the line at 0, and the one that joins the dots
            assert unnamed_colors(left, legend) | unnamed_colors(right, legend) <= bare
        assert "0: differences stay" in [text.get_text() for text in right.texts]


def test_each_trajectory_is_seen_beside_the_dot_of_their_mean(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (picture,) = lyapunov(num_sequences=3).analyze(fading(tmp_path)).pictures.values()
    _, right = picture.draw().axes
    means, *_ = [line for line in right.get_lines() if line.get_marker() == "o"]
    each = [line for line in right.get_lines() if line.get_marker() == "_"]
    assert [len(line.get_xdata()) for line in each] == [2, 2, 2]
    for line in each:
        assert line.get_markersize() > 1.5 * means.get_markersize()
        assert line.get_color() != means.get_color()


def test_fewer_test_sequences_than_wanted_are_looked_at_and_not_waited_for(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{n} owls\t{n} hiboux\n" for n in range(20)), encoding="utf-8")
    words = ["task=translation", f"task.path={file}", "task.max_clauses=null"]
    experiment = build(tmp_path, "model=elman", "model.cell.hidden_size=4", *SMALL, *words)
    found = lyapunov(drive="sequences", num_sequences=3).analyze(experiment)
    assert found.tables[""][0] == ["exponent", "mean", "trajectory_1", "trajectory_2"]
