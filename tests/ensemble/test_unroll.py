"""Outputs and gradients of N members unrolled at once equal those of each member alone.

Double precision tests `unroll_loop` under `vmap`, single precision the kernels.
"""

from copy import deepcopy
from functools import partial

import pytest
import torch

from rnnlab.ensemble.batches import stack
from rnnlab.ensemble.stacked_model import StackedModel, flat_parameters
from rnnlab.models import Model
from rnnlab.models.answers import answered_steps, can_select_steps, select_steps
from rnnlab.spec import Batch, map_batch
from tests.cells.zoo import scatter
from tests.dear import dear_but
from tests.models.zoo import CELLS, SOURCE_SPECS, SPECS, WAYS, draw_batch, make_seq2seq, make_stream

STREAMS = {
    **{cell: {} for cell in CELLS},
    **{f"{cell}_deep": {"num_layers": 2} for cell in ("elman", "gru", "lstm", "taps_mlp")},
    **{f"{cell}_short": {"horizon": 2} for cell in ("elman", "gru", "lstm", "jordan")},
    **{
        f"{cell}_learned": {"initial_state": "learned"}
        for cell in ("elman", "gru", "lstm", "jordan")
    },
    "jordan_taught": {"cell_settings": {"teacher_forcing": True}},
    "jordan_relu": {"cell_settings": {"activation": "relu", "decay": 0.0}},
    "jordan_two": {"cell_settings": {"hidden_size": [4, 3]}},
}
ACTIVATIONS = ("tanh", "relu", "sigmoid")


def assert_members_alike(model: Model, batches: list[Batch]) -> None:
    for dtype, tolerance in (
        (torch.float64, {"rtol": 1e-7, "atol": 1e-7}),
        (torch.float32, {"rtol": 1e-4, "atol": 1e-5}),
    ):
        assert_alike(model, batches, dtype, tolerance)


def assert_alike(
    model: Model, batches: list[Batch], dtype: torch.dtype, tolerance: dict[str, float]
) -> None:
    members = [deepcopy(model) for _ in batches]
    for member in members:
        scatter(member)
    stacked = StackedModel([deepcopy(member).to(dtype) for member in members])
    assert_close = partial(torch.testing.assert_close, check_dtype=False, **tolerance)
    flat = stacked.flat.requires_grad_()
    both = cast(stack(batches), dtype)
    for steps in (None, answered_steps(both)) if can_select_steps(model) else (None,):
        wanted = select_steps(both, steps)
        output = stacked(_output, flat, wanted, shared=False, steps=steps)
        (grad,) = torch.autograd.grad((output.sin() * wanted.mask[..., None]).sum(), flat)
        for n, (member, batch) in enumerate(zip(members, batches, strict=True)):
            own = member(batch)[0]
            length = own.shape[1]
            own_steps = [t for t in steps or range(length) if t < length]
            assert_close(output[n, :, : len(own_steps)], own[:, own_steps])
            loss = (own.sin() * batch.mask[..., None]).sum()
            parts = torch.autograd.grad(loss, list(member.parameters()), materialize_grads=True)
            assert_close(grad[n], torch.cat([part.flatten() for part in parts]))


def cast(batch: Batch, dtype: torch.dtype) -> Batch:
    return map_batch(lambda part: part.to(dtype) if part.is_floating_point() else part, batch)


def _output(model: Model, batch: Batch) -> torch.Tensor:
    return model(batch)[0]


def some_answered(batch: Batch) -> Batch:
    mask = torch.zeros_like(batch.mask)
    mask[:, 1::2] = True
    return batch._replace(mask=mask)


@pytest.mark.parametrize("spec", dear_but(["tokens", "reals"], SPECS))
@pytest.mark.parametrize("name", STREAMS)
def test_streams(name: str, spec: str) -> None:
    cell = name if name in CELLS else name.rpartition("_")[0]
    model = make_stream(SPECS[spec], cell, **STREAMS[name])
    assert_members_alike(model, [some_answered(draw_batch(SPECS[spec])) for _ in range(3)])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str) -> None:
    model = make_stream(SPECS["reals"], "elman", cell_settings={"activation": activation})
    assert_members_alike(model, [draw_batch(SPECS["reals"]) for _ in range(2)])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cell", dear_but(["gru"], ["elman", "gru", "lstm", "taps_mlp"]))
def test_encoders_and_decoders(cell: str, way: str) -> None:
    model = make_seq2seq(SOURCE_SPECS["tokens"], cell, cell, **WAYS[way])
    assert_members_alike(model, [draw_batch(SOURCE_SPECS["tokens"]) for _ in range(2)])


def test_shorter_sequences_are_padded_and_it_changes_nothing() -> None:
    spec = SPECS["tokens"]
    long, short = draw_batch(spec), draw_batch(spec)
    short = short._replace(
        input=short.input[:, :3], target=short.target[:, :3], mask=short.mask[:, :3]
    )
    for cell in ("elman", "gru", "lstm", "jordan", "taps"):
        assert_members_alike(make_stream(spec, cell), [short, long])


def test_one_batch_for_all_is_the_same_batch_for_each() -> None:
    model = make_stream(SPECS["reals"], "lstm")
    stacked = StackedModel([model, model])
    batch = draw_batch(SPECS["reals"])
    output = stacked(_output, stacked.flat, batch, shared=True)
    torch.testing.assert_close(output, model(batch)[0].detach().expand_as(output))


def test_parameters_come_back_as_they_went_in() -> None:
    model = make_stream(SPECS["reals"], "gru")
    stacked = StackedModel([model])
    parts = stacked.split(flat_parameters(model))
    assert parts.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        assert torch.equal(parts[name], parameter)
