"""What is told and drawn of gradients through time is what flows."""

from pathlib import Path

import pytest
import torch

from rnnlab.analysis.gradient_flow import GradientFlow
from rnnlab.analysis.probe.gradients import decay, effective_horizon, flow
from rnnlab.experiment.experiment import Experiment
from tests.analysis.pictures import unnamed_colors
from tests.small_runs import COPY, SMALL, assemble, tiny, tiny_text

TAPS = ["model=ar", "model.cell.taps=3"]
SEQ2SEQ = [
    "model=seq2seq",
    "model.encoder.cell.hidden_size=5",
    "model.decoder.cell.hidden_size=4",
    "model.attention=dot",
    "model.bidirectional=true",
    "task=addition",
    *SMALL,
]
KINDS = {
    "elman": tiny,
    "text": tiny_text,
    "stacked": lambda out: [
        *("model=lstm", "model.num_layers=2", "model.cell.hidden_size=4"),
        *COPY,
        f"output_dir={out}",
    ],
    "jordan": lambda out: ["model=jordan", "model.horizon=2", *COPY, f"output_dir={out}"],
    "taps": lambda out: [*TAPS, *COPY, f"output_dir={out}"],
    "seq2seq": lambda out: [*SEQ2SEQ, f"output_dir={out}"],
}


def analyze(experiment: Experiment, **settings):
    plain = {"num_sequences": 3, "length": None, "num_answers": 4, "num_jacobians": 6}
    plain["gains"] = None
    experiment.model.eval()
    return GradientFlow(**plain | settings).analyze(experiment)


def test_units_at_rest_hand_back_their_weight_times_the_gain(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    experiment = assemble(tiny(tmp_path))
    (cell,) = experiment.model.cell.layers
    with torch.no_grad():
        cell.input_weight.zero_()
        cell.recurrent_weight.copy_(0.5 * torch.eye(8))
    found = analyze(experiment, gains=[0.5, 1.0, 4.0])
    factors = found.numbers["factor_per_step_at_gains"]
    assert factors == pytest.approx({0.5: 0.25, 1.0: 0.5, 4.0: 2.0})
    assert found.lines[-1] == "gain 4: 2 times a step"
    (axes,) = found.pictures["gains"].draw().axes
    ends = [line.get_ydata()[[0, -1]].tolist() for line in axes.get_lines()[1:]]
    assert [first for first, _ in ends] == [1, 1, 1]
    assert ends[0][1] < ends[1][1] < 1 < ends[2][1]


def test_gains_of_an_answer_that_hands_nothing_back_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    experiment = assemble(tiny(tmp_path))
    with torch.no_grad():
        experiment.model.readout.weight.zero_()
    found = analyze(experiment, gains=[1.0])
    assert len(found.pictures["gains"].draw().axes[0].get_lines()) == 1


def test_what_is_written_is_what_flows(tmp_path: Path) -> None:
    experiment = assemble(tiny(tmp_path))
    found = analyze(experiment)
    batch = experiment.task.sample("test", 0, 3, length=3)
    seen = flow(experiment.model, experiment.task, batch, 4)["network"]["hidden"]
    rows = found.tables[""][1:]
    assert {row[2] for row in rows} == set(seen.answers.tolist()) == {4, 5, 6}
    assert len(rows) == 5 + 6 + 7
    for _, _, answer, step, norm in rows:
        wanted = seen.norms[:, seen.answers.tolist().index(answer), step].mean().item()
        assert norm == pytest.approx(wanted, rel=1e-4)
    told = found.numbers["network"]["parts"]["hidden"]
    assert told["effective_horizon_steps"] == pytest.approx(
        effective_horizon(decay(seen)), rel=1e-4
    )
    assert f"effective horizon {told['effective_horizon_steps']:.1f} steps" in found.lines[0]
    assert [len(row) for row in found.tables["jacobian"]] == [7] * 7  # 6 points under a heading


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_has_a_picture(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    experiment = assemble(KINDS[kind](tmp_path))
    found = analyze(experiment)
    for picture in found.pictures.values():
        figure = picture.draw()
        figure.draw_without_rendering()
        assert sum(axes.get_xlabel() != "" for axes in figure.axes) == 2 * len(found.numbers)
        for axes in figure.axes:
            if axes.get_lines() and axes.get_legend() is not None:
                assert unnamed_colors(axes, axes.get_legend()) == set()
    if kind == "seq2seq":
        assert list(found.numbers) == ["encoder", "backward_encoder", "decoder"]
        assert all(row[3] < 0 for row in found.tables[""][1:] if row[0] != "decoder")
    if kind == "jordan":
        assert found.lines[-1].startswith("training cut gradients after 2 steps")


def test_each_line_has_its_own_horizon_and_the_axis_ends_with_the_data(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = analyze(assemble(KINDS["jordan"](tmp_path)))
    axes = found.pictures[""].draw().axes[1]
    curves = [line for line in axes.get_lines() if line.get_linestyle() == "-"]
    dashes = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    told = [part["effective_horizon_steps"] for part in found.numbers["network"]["parts"].values()]
    assert [line.get_xdata()[0] for line in dashes] == pytest.approx(told)
    assert [line.get_color() for line in dashes] == [line.get_color() for line in curves]
    longest = max(max(line.get_xdata()) for line in curves)
    assert axes.get_xlim()[1] <= 1.06 * longest


def test_where_no_gradient_flows_it_says_so(tmp_path: Path) -> None:
    experiment = assemble(tiny(tmp_path))
    with torch.no_grad():
        experiment.model.readout.weight.zero_()
    found = analyze(experiment)
    assert found.lines[0] == "network.hidden: no answer sends any gradient here"
    pytest.importorskip("matplotlib")
    found.pictures[""].draw().draw_without_rendering()


def test_a_model_without_a_state_is_refused(tmp_path: Path) -> None:
    words = [*TAPS, *COPY, f"output_dir={tmp_path}"]
    analysis = GradientFlow(
        num_sequences=1, length=None, num_answers=1, num_jacobians=1, gains=None
    )
    for taps, refused in ((1, True), (2, False)):
        experiment = assemble([*words, f"model.cell.taps={taps}"])
        reason = analysis.refusal(experiment.model, experiment.task)
        assert (reason is not None) == refused
