"""What each step contributes adds up to what autograd says, for every cell."""

import pytest
import torch

from rnnlab.analysis.probe.backpropagation import backpropagate
from rnnlab.analysis.probe.gradients import flow
from rnnlab.analysis.probe.system import systems, traces
from rnnlab.models.base import Model
from rnnlab.spec import Batch
from tests.analysis.probe.test_gradients import Given, settings
from tests.models.zoo import (
    CELLS,
    SOURCE_SPECS,
    SPECS,
    WAYS,
    T,
    draw_batch,
    make_seq2seq,
    make_stream,
)


def one(model: Model) -> Batch:
    batch = Batch._make(None if part is None else part[:1] for part in draw_batch(model.spec))
    batch.mask[:, 1] = False
    return batch


STREAMS = {
    **{name: {} for name in CELLS},
    "jordan taught": {"cell_settings": {"teacher_forcing": True}},
    "gru embedded": {"embedding_size": 3, "initial_state": "learned"},
    "lstm stacked": {"num_layers": 2, "dropout": 0.5},
}


def make(kind: str) -> Model:
    if kind in WAYS:
        reading = {"embedding_size": 3}
        return make_seq2seq(
            SOURCE_SPECS["tokens"],
            "lstm",
            "gru",
            encoder_settings=reading,
            decoder_settings=reading,
            **WAYS[kind],
        )
    return make_stream(SPECS["tokens"], kind.split()[0], **STREAMS[kind])


@pytest.mark.parametrize("kind", [*STREAMS, *WAYS])
def test_the_contributions_of_all_steps_add_up_to_autograds_gradient(kind: str) -> None:
    model = make(kind)
    task, batch = Given(model.spec), one(model)
    found = backpropagate(model, task, batch)
    loss = task.loss(model.eval()(batch)[0], batch)
    parameters = dict(model.named_parameters())
    assert found.loss == pytest.approx(loss.item())
    assert found.losses.nanmean().item() == pytest.approx(loss.item())
    shared = [n for n in parameters if "cells" in n or "embed" in n or n.startswith("readout")]
    assert sorted(found.gradients) == sorted(shared)
    wanted = torch.autograd.grad(loss, [parameters[name] for name in found.gradients])
    for (name, steps), gradient in zip(found.gradients.items(), wanted, strict=True):
        assert len(steps) == (batch.source.shape[1] if "encoder" in name else T)
        torch.testing.assert_close(steps.sum(0), gradient, msg=name)


def test_the_elman_net_is_the_textbooks() -> None:
    model = make_stream(SPECS["reals"], "elman")
    batch = one(model)
    found = backpropagate(model, Given(model.spec), batch)
    (cell,) = model.cell.layers
    with torch.no_grad():
        hidden = torch.zeros(4, dtype=torch.float64)
        states = [hidden]
        for x in batch.input[0]:
            hidden = torch.tanh(cell.input_weight @ x + cell.recurrent_weight @ hidden + cell.bias)
            states.append(hidden)
        error = (found.outputs - batch.target[0]) / 4  # the mean over 4 answers of 2 numbers each
        error[1] = 0
        torch.testing.assert_close(found.output_deltas, error)
        passage = found.systems["network"]
        torch.testing.assert_close(passage.states["hidden"], torch.stack(states[1:]))
        later = torch.zeros(4, dtype=torch.float64)
        for t in range(T - 1, -1, -1):
            by_state = model.readout.weight.T @ error[t] + later
            net = by_state * (1 - states[t + 1] ** 2)
            later = cell.recurrent_weight.T @ net
            torch.testing.assert_close(passage.deltas["hidden"][t], by_state)
            torch.testing.assert_close(passage.carried["hidden"][t], later)
            for name, wanted in {
                "cell.cells.0.recurrent_weight": torch.outer(net, states[t]),
                "cell.cells.0.input_weight": torch.outer(net, batch.input[0, t]),
                "cell.cells.0.bias": net,
                "readout.weight": torch.outer(error[t], states[t + 1]),
            }.items():
                torch.testing.assert_close(found.gradients[name][t], wanted)


@pytest.mark.parametrize("kind", ["lstm stacked", "additive_feeding"])
def test_states_and_deltas_are_those_of_the_model(kind: str) -> None:
    model = make(kind).eval()
    task, batch = Given(model.spec), one(model)
    batch = batch._replace(mask=torch.arange(T)[None] == T - 1)
    found, seen = backpropagate(model, task, batch), flow(model, task, batch, 1)
    for name, trace in traces(model, batch).items():
        system = systems(model)[name]
        states = system.run(trace.inputs, trace.start)[0]
        for part in system.parts:
            torch.testing.assert_close(found.systems[name].states[part.name], states[:, part.units])
            norms = found.systems[name].deltas[part.name].norm(dim=1)
            torch.testing.assert_close(norms, seen[name][part.name].norms[0, 0])


def test_backpropagation_disturbs_nothing() -> None:
    model = make("lstm stacked").train()
    before = settings(model)
    batch = one(model)
    random = torch.get_rng_state()
    backpropagate(model, Given(model.spec), batch)
    assert before == settings(model)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(random, torch.get_rng_state())
