"""A system that reads a trace goes through the states of the model."""

import pytest
import torch

from rnnlab.analysis.probe.observe import observe
from rnnlab.analysis.probe.system import (
    System,
    cells,
    observed_states,
    observed_traces,
    systems,
    traces,
)
from rnnlab.models.stream import Stream
from rnnlab.state import flatten
from tests.cells.zoo import scatter
from tests.models.zoo import CELLS, SOURCE_SPECS, SPECS, WAYS, draw_batch, make_seq2seq, make_stream


def build(name: str, spec: str = "tokens", **settings) -> Stream:
    return scatter(make_stream(SPECS[spec], name, **settings)).eval()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_a_system_run_on_what_was_watched_ends_where_the_model_did(name: str, layers: int) -> None:
    model = build(name, num_layers=layers)
    batch = draw_batch(SPECS["tokens"])
    (system,) = systems(model).values()
    (trace,) = traces(model, batch).values()
    states = system.run(trace.inputs, trace.start)
    assert states.shape == (*trace.inputs.shape[:2], system.size)
    torch.testing.assert_close(states[:, -1], flatten(model(batch)[1]))
    stepped, answer = system.step_and_readout(trace.inputs[:, -1], states[:, -2])
    torch.testing.assert_close(stepped, states[:, -1])
    torch.testing.assert_close(answer, model(batch)[0][:, -1])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_states_that_were_observed_are_those_of_the_trace(name: str, layers: int) -> None:
    model = build(name, num_layers=layers)
    found = systems(model)
    with observe(cells(found)) as calls:
        model(batch := draw_batch(SPECS["tokens"]))
    (system,), (trace,) = found.values(), observed_traces(found, calls, batch).values()
    states = system.run(trace.inputs, trace.start)
    torch.testing.assert_close(observed_states(system, calls), states)


def test_parts_are_named_in_the_order_of_the_flat_state() -> None:
    def names(system: System) -> list[tuple[str, int, int]]:
        return [(part.name, part.units.start, part.units.stop) for part in system.parts]

    lstm = System(build("lstm"))
    size = lstm.size // 2
    assert names(lstm) == [("hidden", 0, size), ("cell", size, 2 * size)]
    two = names(System(build("gru", num_layers=2)))
    assert two == [("layer1.hidden", 0, size), ("layer2.hidden", size, 2 * size)]
    assert [part.name for part in System(build("jordan")).parts] == ["context", "output"]
    assert not System(build("taps")).recurrent
    assert System(build("elman")).recurrent


@pytest.mark.parametrize("name", CELLS)
def test_the_jacobian_is_what_small_pushes_make(name: str) -> None:
    model = build(name).double()
    (system,) = systems(model).values()
    inputs = torch.rand(2, system.input_size, dtype=torch.float64)
    states = torch.rand(2, system.size, dtype=torch.float64)
    jacobian = system.jacobian(inputs, states)
    step = 1e-6
    for unit in range(system.size):
        push = torch.zeros_like(states)
        push[:, unit] = step
        slope = (system.step(inputs, states + push) - system.step(inputs, states - push)) / 2 / step
        torch.testing.assert_close(jacobian[:, :, unit], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("way", WAYS)
def test_encoders_and_decoders_are_watched_too(way: str) -> None:
    spec = SOURCE_SPECS["tokens"]
    model = make_seq2seq(spec, "gru", "lstm", **WAYS[way]).eval()
    batch = draw_batch(spec)
    found, traced = systems(model), traces(model, batch)
    assert found.keys() == traced.keys()
    assert {"encoder", "decoder"} <= found.keys()
    decoder, trace = found["decoder"], traced["decoder"]
    states = decoder.run(trace.inputs, trace.start)
    torch.testing.assert_close(states[:, -1], flatten(model(batch)[1].decoder))
