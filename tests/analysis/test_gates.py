"""Gates are those of the cells, by their equations, and what is told of them is so."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnlab.analysis.gates import Gates, gates
from rnnlab.analysis.probe.labelled_trace import labelled_trace
from rnnlab.cells import GRU, LSTM
from rnnlab.errors import ConfigError
from rnnlab.state import unflatten
from tests.cells.zoo import draw, draw_state, make, scatter
from tests.small_runs import COPY, SMALL, assemble, tiny

DEFAULTS = {
    "system": None,
    "layer": None,
    "sequence": 0,
    "num_steps": 60,
    "num_units": 4,
    "num_sequences": 3,
    "length": None,
    "shut_below": 0.1,
    "open_above": 0.9,
}
LSTMS = ["lstm", "lstm_1997", "lstm_peepholes", "lstm_1997_peepholes"]


def build(*words: str):
    experiment = assemble([*words, *SMALL])
    scatter(experiment.model, 1.0).eval()
    return experiment


def two_layers(model: str, **cell):
    size = ["model.cell.hidden_size=6", "model.num_layers=2"]
    return build(f"model={model}", *COPY, *size, *(f"model.cell.{k}={v}" for k, v in cell.items()))


@pytest.mark.parametrize("name", LSTMS)
def test_gates_of_an_lstm_are_its_equations(name: str) -> None:
    cell = make(name)
    assert isinstance(cell, LSTM)
    input, state = draw(cell)[:, 0], draw_state(cell)
    found = cell.gates(input, state)
    kept = 1 if cell.forget_gate else 0
    w, u, b = (p.chunk(3 + kept) for p in (cell.input_weight, cell.recurrent_weight, cell.bias))
    peep = cell.peepholes if cell.peepholes is not None else torch.zeros(2 + kept, 4).double()

    def total(block: int) -> Tensor:
        return input @ w[block].T + state.hidden @ u[block].T + b[block]

    write = torch.sigmoid(total(0) + peep[0] * state.cell)
    keep = torch.sigmoid(total(1) + peep[1] * state.cell) if kept else torch.ones(())
    memory = keep * state.cell + write * torch.tanh(total(1 + kept))
    read = torch.sigmoid(total(2 + kept) + peep[-1] * memory)
    wanted = {"forget": keep} if kept else {}
    torch.testing.assert_close(found, wanted | {"input": write, "output": read})
    torch.testing.assert_close(cell(input, state)[1].cell, memory)


def test_gates_of_a_gru_are_its_equations() -> None:
    cell = make("gru")
    assert isinstance(cell, GRU)
    input, state = draw(cell)[:, 0], draw_state(cell)
    w, u, b = (p.chunk(3) for p in (cell.input_weight, cell.recurrent_weight, cell.bias))
    reset, update = (torch.sigmoid(input @ w[i].T + state @ u[i].T + b[i]) for i in (0, 1))
    torch.testing.assert_close(cell.gates(input, state), {"update": update, "reset": reset})


@pytest.mark.parametrize("model", ["lstm", "gru"])
def test_gates_over_time_are_those_of_each_step_of_each_layer(model: str) -> None:
    labelled = labelled_trace(two_layers(model), None, 3, None)
    found = gates(labelled.system, labelled.trace, labelled.states)
    cell, trace = labelled.system.cell, labelled.trace
    state = unflatten(trace.start, cell.initial_state(1))
    for step, input in enumerate(trace.inputs.unbind(1)):
        below = input
        for layer, one in enumerate(cell.layers):
            for name, wanted in one.gates(below, state[layer]).items():
                torch.testing.assert_close(found[layer][name][:, step], wanted)
            below = one(below, state[layer])[0]
        _, state = cell(input, state)


def test_gates_held_by_their_bias_are_always_shut_or_open() -> None:
    experiment = two_layers("lstm")
    with torch.no_grad():
        for layer in experiment.model.cell.layers:
            layer.input_weight.zero_()
            layer.recurrent_weight.zero_()
            layer.bias[:18] = torch.tensor([-9.0, 9.0, 0.0]).repeat_interleave(6)
            layer.bias[18:] = torch.tensor([-9.0, 9, 9, 0, 0, 0])
    found = Gates(**DEFAULTS).analyze(experiment)
    for layer in found.numbers["saturation"]:
        shares = {
            name: (sides["shut"].tolist(), sides["open"].tolist()) for name, sides in layer.items()
        }
        assert shares["forget"] == ([0] * 6, [1] * 6)
        assert shares["input"] == ([1] * 6, [0] * 6)
        assert shares["output"] == ([1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0])
    assert "layer 2 output gate (read): 16.7% shut, 33.3% open; 2 of 6 units" in found.lines[6]


def test_units_are_in_the_order_of_what_they_keep() -> None:
    experiment = two_layers("gru")
    found = Gates(**DEFAULTS | {"layer": 1, "sequence": 2}).analyze(experiment)
    order = found.numbers["units"]
    keep = found.numbers["mean"][0]["update"].numpy()
    assert (np.diff(keep[order]) <= 0).all()
    heading, *rows = found.tables[""]
    assert heading == ["unit", "step", "symbol", "update", "reset", "hidden"]
    labelled = labelled_trace(experiment, None, 3, None)
    opened = gates(labelled.system, labelled.trace, labelled.states)[0]["update"]
    for unit, step, symbol, update, _, hidden in rows:
        assert symbol == labelled.symbols[2, step]
        assert update == pytest.approx(float(opened[2, step, unit]), abs=1e-6)
        assert hidden == pytest.approx(float(labelled.states[2, step, unit]), abs=1e-6)
    assert [row[0] for row in rows[:: len(found.numbers["symbols"])]] == order.tolist()


def test_cells_without_gates_are_refused(tmp_path: Path) -> None:
    for model, said in {"elman": "Elman", "jordan": "Jordan", "ar": "Taps"}.items():
        experiment = assemble([f"model={model}", *COPY])
        refusal = Gates(**DEFAULTS).refusal(experiment.model, experiment.task)
        assert refusal == f"{said} cells have no gates"
    experiment = assemble(tiny(tmp_path, "model=gru"))
    assert Gates(**DEFAULTS).refusal(experiment.model, experiment.task) is None


def test_the_system_with_gates_is_taken() -> None:
    experiment = build("model=seq2seq", "model@model.encoder=elman", "task=addition")
    assert Gates(**DEFAULTS).analyze(experiment).numbers["system"] == "decoder"
    with pytest.raises(ConfigError, match="one of decoder, which have gates, got encoder"):
        Gates(**DEFAULTS | {"system": "encoder"}).analyze(experiment)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"shut_below must be less than open_above=0\.2, got 0\.5"
    ):
        Gates(**DEFAULTS | {"shut_below": 0.5, "open_above": 0.2})
    with pytest.raises(
        ConfigError, match=r"analysis.sequence must be below the 3 sequences, got 3"
    ):
        Gates(**DEFAULTS | {"sequence": 3}).analyze(two_layers("gru"))


@pytest.mark.parametrize(
    "words",
    [
        ["model=lstm", "task=translation", "model.num_layers=2"],
        ["model=lstm", *COPY, "model.cell.forget_gate=false", "model.cell.forget_bias=null"],
        ["model=gru", "task=oscillation", "task.eval_periods=2", "model.cell.hidden_size=1"],
    ],
)
def test_gates_can_be_drawn(words: list[str]) -> None:
    pytest.importorskip("matplotlib")
    for picture in Gates(**DEFAULTS).analyze(build(*words)).pictures.values():
        figure = picture.draw()
        figure.draw_without_rendering()
        assert all(axes.get_ylabel() for axes in figure.axes if axes.images)
        assert all(axes.get_ylabel() for axes in figure.axes if axes.get_label() == "<colorbar>")
        assert figure.axes[-1].get_xlabel() or any(axes.get_xlabel() for axes in figure.axes)
