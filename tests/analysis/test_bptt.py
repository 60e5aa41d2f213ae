"""The walk-through shows autograd's numbers, of the steps and units that it says."""

from pathlib import Path

import pytest
import torch

from rnnlab.analysis.bptt import Bptt
from rnnlab.analysis.figures.bptt_window import largest_units
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.plots.palette import COLORS
from tests.analysis.pictures import crosses
from tests.analysis.test_gradient_flow import KINDS
from tests.small_runs import COPY, assemble, tiny


def bptt(**settings) -> Bptt:
    plain = {
        "sequence": 0,
        "length": None,
        "num_steps": 4,
        "num_units": 6,
        "learning_rate": None,
    }
    return Bptt(**plain | settings)


def analyze(experiment: Experiment, **settings):
    experiment.model.eval()
    return bptt(**settings).analyze(experiment)


def test_the_sums_are_a_step_of_plain_descent(tmp_path: Path) -> None:
    experiment = assemble(tiny(tmp_path))
    found = analyze(experiment, learning_rate=0.5, sequence=1)
    model = experiment.model.double()
    batch = experiment.task.sample("test", 0, 2, length=3)
    one = type(batch)._make(None if part is None else part[1:] for part in batch)
    loss = experiment.task.loss(model(one)[0], one)
    loss.backward()
    assert found.numbers["loss"] == pytest.approx(loss.item())
    assert found.numbers["difference_from_autograd"] < 1e-12
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    steps: dict[tuple, float] = {}
    for name, row, column, step, change in found.tables["weights"][1:]:
        gradient = gradients[name].view(len(gradients[name]), -1)[row, column].item()
        if step == "sum":
            assert change == pytest.approx(-0.5 * gradient, abs=1e-12)
        elif step == "mean":
            assert change == pytest.approx(-0.5 * gradient / 7, abs=1e-12)
        else:
            steps[name, step] = change
    assert {name for name, _ in steps} == set(gradients)
    assert {step for _, step in steps} == {3, 4, 5, 6}


def test_of_large_vectors_the_strongest_units_are_drawn() -> None:
    values = torch.tensor([[0.0, -3.0, 1.0], [2.0, 1.0, torch.nan]])
    assert largest_units(values, 2).tolist() == [0, 1]
    assert largest_units(values, 9).tolist() == [0, 1, 2]


def test_no_number_lies_on_an_arrow(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = analyze(assemble(KINDS["jordan"](tmp_path))).pictures[""].draw()
    figure.draw_without_rendering()
    texts = figure.axes[0].texts
    arrows = [text.arrow_patch for text in texts if getattr(text, "arrow_patch", None)]
    numbers = [
        text for text in texts if text.get_text().lstrip("\N{MINUS SIGN}")[:1] in ".123456789"
    ]
    handed_back = [text for text in numbers if text.get_color() == COLORS[1]]
    assert len(handed_back) == 6
    crossed = [number for number in handed_back for arrow in arrows if crosses(arrow, number)]
    assert crossed == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "taps"])
def test_every_kind_of_recurrent_model_has_a_drawing(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = analyze(assemble(KINDS[kind](tmp_path)))
    assert found.numbers["difference_from_autograd"] < 1e-12
    figure = found.pictures[""].draw()
    figure.draw_without_rendering()
    texts = [text.get_text() for text in figure.axes[0].texts]
    headings = [text for text in texts if text.startswith(("step ", "source "))]
    wanted = {
        "text": ["step 1", "step 2", "step 3", "step 4"],
        "seq2seq": ["source 3", "source 4", "step 0", "step 1"],
    }
    assert headings == wanted.get(kind, ["step 3", "step 4", "step 5", "step 6"])
    if kind == "jordan":
        assert "output" not in texts  # it is the answer
        assert found.lines[-1].startswith("training cut gradients after 2 steps")
    if kind == "stacked":
        assert {"layer2\nhidden", "layer2\ncell", "layer1\nhidden", "layer1\ncell"} <= set(texts)


def test_all_steps_are_drawn_where_there_are_few(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = analyze(assemble(tiny(tmp_path)), length=1, num_steps=9).pictures[""].draw()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert [text for text in texts if text.startswith("step ")] == ["step 0", "step 1", "step 2"]
    assert "... +" not in texts
    assert texts.count("+") == 2 * 3  # between three steps, of three matrices
    part = analyze(assemble(tiny(tmp_path)), length=1, num_steps=2).pictures[""].draw()
    texts = [text.get_text() for text in part.axes[0].texts]
    assert texts.count("... +") == 1  # of the input weight: no state and no answer came before


def test_taps_are_refused(tmp_path: Path) -> None:
    experiment = assemble(KINDS["taps"](tmp_path))
    assert "unroll" in bptt().refusal(experiment.model, experiment.task)
    recurrent = assemble(tiny(tmp_path))
    assert bptt().refusal(recurrent.model, recurrent.task) is None


def test_a_sequence_that_would_fill_memory_is_refused(tmp_path: Path) -> None:
    experiment = assemble(["model=lstm", *COPY, f"output_dir={tmp_path}"])
    with pytest.raises(ConfigError, match=r"at most \d+ steps.*got 4001: take a smaller"):
        analyze(experiment, length=2000)
