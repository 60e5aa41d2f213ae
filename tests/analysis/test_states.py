"""States are described as they are, for every cell, and pictures of them can be drawn."""

from pathlib import Path

import numpy as np
import pytest

from rnnlab.analysis.base import Findings
from rnnlab.analysis.probe.labelled_trace import labelled_trace
from rnnlab.analysis.states import States
from rnnlab.errors import ConfigError
from tests.small_runs import SMALL, assemble, tiny

DEFAULTS = {
    "system": None,
    "layer": None,
    "color": "auto",
    "num_sequences": 6,
    "length": None,
    "num_trajectories": 1,
    "num_symbols": 40,
    "linkage": "average",
    "by_direction": False,
    "num_points": 20,
}
RUNS = {
    "lstm": ["model=lstm", "model.num_layers=2", "task=copy", "task.num_symbols=12"],
    "gru": ["model=gru", "model.cell.hidden_size=1", "task=addition_binary"],
    "elman": ["model=elman", "model.cell.hidden_size=2", "task=addition_marked"],
    "jordan": ["model=jordan", "task=oscillation", "task.curve=four_corners"],
    "taps": ["model=ar", "task=oscillation_clamped", "task.eval_periods=2"],
    "words": ["model=seq2seq", "task=translation"],
}


def analyze(words: list[str], **settings) -> Findings:
    experiment = assemble([*words, *SMALL])
    experiment.model.eval()
    states = States(**DEFAULTS | settings)
    assert states.refusal(experiment.model, experiment.task) is None
    return states.analyze(experiment)


def test_components_of_the_hidden_states_are_found(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    experiment = assemble(tiny(tmp_path))
    experiment.model.eval()
    found = States(**DEFAULTS).analyze(experiment)
    labelled = labelled_trace(experiment, None, 6, None)
    points = labelled.states.flatten(0, 1).numpy()
    variance = np.linalg.eigvalsh(np.cov(points.T, bias=True))[::-1]
    hidden = found.numbers["vectors"]["hidden"]
    assert hidden["explained_variance"] == pytest.approx(variance / variance.sum(), abs=1e-6)
    heading, *rows = found.tables["hidden"]
    assert heading[:3] == ["symbol", "position", "sequence"]
    assert len(rows) == len(points) == found.numbers["steps"]
    assert np.var([row[3:] for row in rows], axis=0) == pytest.approx(variance[:3], rel=1e-4)
    assert hidden["symbols"] == {
        name: (labelled.symbols == name).sum() for name in np.unique(labelled.symbols)
    }


def test_points_for_the_projector_are_whole_sequences(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    found = analyze(tiny(tmp_path), num_points=15)  # a sequence has 7 steps
    points = found.points["hidden"]
    assert points.values.shape == (14, 8)
    assert list(points.header) == ["symbol", "position", "sequence"]
    assert [row[1:] for row in points.labels] == [[t, row] for row in range(2) for t in range(7)]
    assert len(analyze(tiny(tmp_path), num_points=5).points["hidden"].labels) == 5


@pytest.mark.parametrize(
    ("run", "hue"),
    [("jordan", "phase"), ("taps", "phase"), ("gru", "symbol"), ("words", "symbol")],
)
def test_colours_tell_what_the_task_knows(run: str, hue: str) -> None:
    pytest.importorskip("scipy")
    assert analyze(RUNS[run]).numbers["color"] == hue
    assert analyze(RUNS[run], color="position").numbers["color"] == "position"


def test_a_colour_that_the_task_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"auto or symbol or position with this task, got phase"):
        analyze(tiny(tmp_path), color="phase")


def test_what_carries_nothing_has_no_states() -> None:
    experiment = assemble(["model=ar", "model.cell.taps=1", "task=oscillation", *SMALL])
    assert "carries nothing" in States(**DEFAULTS).refusal(experiment.model, experiment.task)


@pytest.mark.parametrize(
    ("run", "vectors"),
    [
        ("lstm", ["hidden", "cell"]),
        ("elman", ["hidden"]),
        ("jordan", ["context", "output"]),
        ("taps", ["taps"]),
    ],
)
def test_every_vector_that_a_cell_carries_is_looked_at(run: str, vectors: list[str]) -> None:
    pytest.importorskip("scipy")
    found = analyze(RUNS[run])
    assert list(found.numbers["vectors"]) == list(found.points) == list(found.tables) == vectors


@pytest.mark.parametrize("run", ["lstm", "gru", "elman", "taps"])
def test_states_of_many_one_or_two_dimensions_are_drawn(run: str) -> None:
    pytest.importorskip("matplotlib")
    for picture in analyze(RUNS[run], num_sequences=2).pictures.values():
        picture.draw().draw_without_rendering()


def test_no_two_symbols_look_alike() -> None:
    pytest.importorskip("matplotlib")
    words = ["task=copy", "task.num_symbols=10", "model.cell.hidden_size=5", *SMALL]
    figure = analyze(["model=elman", *words]).pictures["hidden"].draw()
    (legend,) = figure.legends
    dots = figure.axes[0].collections[1:]  # the first are symbols without a look
    assert len(dots) == len(legend.get_texts()) > 8
    looks = {
        (str(one.get_facecolor().tolist()), str(one.get_paths()[0].vertices.tolist()))
        for one in dots
    }
    assert len(looks) == len(dots)


@pytest.mark.parametrize(
    "words",
    [
        ["task=oscillation", "task.curve=sine"],
        ["task=oscillation", "task.curve=figure_eight"],
        ["task=oscillation", "task.curve=four_corners"],
        ["task=oscillation", "task.curve=gaits"],
        ["task=oscillation", "task.curve=walk", "task.period_steps=20", "task.max_period_steps=40"],
        ["task=oscillation_clamped", "task.curve=figure_eight"],
        ["task=oscillation", "task.curve=figure_eight", "model=seq2seq"],
    ],
)
def test_phases_are_where_the_targets_are(words: list[str]) -> None:
    task = assemble([*words, *SMALL]).task
    batch = task.sample("test", 0, 5)
    phases = task.phases(batch)
    assert phases.shape == batch.mask.shape
    assert bool(((phases >= 0) & (phases < 1)).all())
    plans = np.zeros(5, dtype=np.int64)
    if task.curve.plan_size:
        plans = batch.input[:, 0, -task.curve.plan_size :].argmax(1).numpy()
    points = task.curve.points(phases.double().numpy(), plans)
    assert np.abs(points - batch.target.numpy()).max() < 0.1


def test_tasks_without_a_period_have_no_phases(tmp_path: Path) -> None:
    task = assemble(tiny(tmp_path)).task
    assert task.phases(task.sample("test", 0, 2)) is None
