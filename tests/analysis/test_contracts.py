"""Every analysis looks inside every model, or says in a clause why there is nothing to see."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from rnnlab.analysis.run import make
from rnnlab.analysis.save import write
from rnnlab.config.catalogue import describe
from rnnlab.experiment.experiment import Experiment
from rnnlab.runs.run import Run
from tests.analysis.pictures import clashes
from tests.small_runs import SMALL, assemble

CAN_DRAW = find_spec("matplotlib") is not None and find_spec("scipy") is not None
MODELS = {
    "ar": ["model.cell.taps=3"],
    "ar_ffn": ["model.cell.taps=3", "model.cell.hidden_size=6"],
    "ctrnn": ["model.cell.hidden_size=6"],
    "elman": ["model.cell.hidden_size=6"],
    "gru": ["model.cell.hidden_size=6", "model.num_layers=2"],
    "jordan": ["model.cell.hidden_size=6"],
    "lstm": ["model.cell.hidden_size=6"],
    "min_gru": ["model.cell.hidden_size=6"],
    "mrnn": ["model.cell.hidden_size=6"],
    "ntm": [
        *("model.cell.hidden_size=6", "model.cell.num_locations=4", "model.cell.location_size=3")
    ],
    "seq2seq": ["model.encoder.cell.hidden_size=6", "model.decoder.cell.hidden_size=6"],
    "stack_rnn": ["model.cell.hidden_size=6", "model.cell.num_stacks=2", "model.cell.depth=4"],
    "transformer": ["model.hidden_size=8", "model.num_heads=2"],
    "transformer_seq2seq": ["model.hidden_size=8", "model.num_heads=2"],
}
TASKS = {
    "addition_binary": ["task.length=4"],
    "copy": ["task.length=3", "task.delay=2"],
    "oscillation": ["task.length=20", "task.eval_periods=2"],
}
LESS = {
    "attractors": ["num_starts=6", "max_steps=64"],
    "automaton": ["num_sequences=16", "max_clusters=4"],
    "fixed_points": ["num_starts=6", "descent_steps=20"],
    "gradient_flow": ["num_answers=6", "num_jacobians=8"],
    "lengths": ["num_lengths=2", "num_sequences=4", "factor=2"],
    "lyapunov": ["steps=20", "transient=5", "num_sequences=2"],
    "spectrum": ["num_sequences=2", "periods=12", "steps=20"],
}
# What makes sense: everything does, but these.
WITHOUT = {
    "ar": {"attractors", "automaton", "bptt", "gates", "attention"},
    "ar_ffn": {"attractors", "automaton", "bptt", "gates", "attention"},
    "ctrnn": {"gates", "attention"},
    "elman": {"gates", "attention"},
    "gru": {"attention"},
    "jordan": {"gates", "attention"},
    "lstm": {"attention"},
    "min_gru": {"attention"},
    "mrnn": {"gates", "attention"},
    "ntm": {"gates", "attention"},
    "seq2seq": {"attention", "automaton"},
    "stack_rnn": {"attention"},
    "transformer": {*describe("analysis")} - {"attention", "lengths"},
    "transformer_seq2seq": {*describe("analysis")} - {"attention", "lengths"},
}


@cache
def build(model: str, task: str) -> Experiment:
    experiment = assemble([f"model={model}", f"task={task}", *MODELS[model], *TASKS[task], *SMALL])
    experiment.model.eval()
    return experiment


def is_quick(number: int, name: str, model: str, task: str) -> bool:
    """Whether the quick tests try this one: each analysis of each model on one of the tasks."""
    if name == "spectrum":  # it takes a second each
        return task == "oscillation" and model in ("elman", "seq2seq")
    first, rest = divmod(number, len(TASKS))  # every model on every task, and every analysis too
    return rest == first % len(TASKS)


EACH = [
    pytest.param(
        *each, id="-".join(each), marks=[] if is_quick(n, *each) else [pytest.mark.thorough]
    )
    for n, each in enumerate(product(describe("analysis"), MODELS, TASKS))
]


@pytest.mark.parametrize(("name", "model", "task"), EACH)
def test_it_looks_or_says_why_not(name: str, model: str, task: str, tmp_path: Path) -> None:
    experiment = build(model, task)
    analysis = make(name, [f"analysis.{word}" for word in LESS.get(name, [])])
    reason = analysis.refusal(experiment.model, experiment.task)
    if reason is not None:
        assert reason == reason.strip(" .")
        assert "\n" not in reason
        expected = name in WITHOUT[model] or name in ("spectrum", "automaton")
        taps = model.startswith("ar") and name in ("fixed_points", "lyapunov")
        assert expected or taps, reason
        pytest.skip(f"it says why not: {reason}")
    if name == "states" and not CAN_DRAW:
        pytest.skip("its tree needs scipy")
    findings = analysis.analyze(experiment)
    assert all(line.strip() for line in findings.lines)
    assert findings.lines
    assert findings.pictures
    if CAN_DRAW:
        (tmp_path / "config.yaml").write_text("choices: {model: elman, task: copy}\nfiles: {}\n")
        with drawn() as figures:
            written = write(Run(tmp_path), name, findings, 1)
        assert all(path.stat().st_size > 0 for path in written)
        assert len(figures) == len(findings.pictures)
        texts = [text for figure in figures for text in texts_of(figure)]
        # The style reads no math, so that it would stand there with its dollars.
        assert [text for text in texts if "$" in text] == []
        assert [clash for figure in figures for clash in clashes(figure)] == []


@contextmanager
def drawn() -> Iterator[list[Any]]:
    """Give the figures that are drawn meanwhile."""
    figures: list[Any] = []

    def note(figure: Any) -> None:
        figures.append(figure)
        plain_ticks(figure)

    from rnnlab.plots.ticks import plain_ticks

    with patch("rnnlab.plots.ticks.plain_ticks", note):
        yield figures


def texts_of(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]
