"""Clamping the state, picking the last real step, and layers of cells."""

from functools import partial

import pytest
import torch

from rnnlab.cells import GRU, Stack
from rnnlab.cells.base import last_real, unroll_loop
from rnnlab.cells.fused import contiguous_views
from rnnlab.errors import ConfigError
from rnnlab.state import leaves
from rnnlab.testing.cells import scattered
from tests.cells.zoo import (
    BATCH,
    CELLS,
    HIDDEN,
    INPUT,
    draw,
    draw_state,
    gru,
    make,
    prefix_mask,
    same,
)


@pytest.mark.parametrize("name", [name for name in CELLS if name != "taps_one"])
def test_clamp_sets_the_first_units_and_no_other(name: str) -> None:
    cell = make(name)
    values = torch.tensor([[5.0, 6.0]] * BATCH).double()
    before = draw_state(cell)
    after = cell.clamp(before, values)
    pairs = list(zip(leaves(before), leaves(after), strict=True))
    changed = [(a, b) for a, b in pairs if not torch.equal(a, b)]
    assert len(changed) == 1
    was, now = (part.flatten(1) for part in changed[0])
    same(now[:, :2], values)
    same(now[:, 2:], was[:, 2:], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "jordan", "taps_one", "stack"])
def test_clamping_more_units_than_there_are_is_refused(name: str) -> None:
    cell = make(name)
    with pytest.raises(ConfigError, match="take a larger cell"):
        cell.clamp(cell.initial_state(BATCH), torch.zeros(BATCH, HIDDEN + 1))


def test_last_real_step_is_picked_row_by_row() -> None:
    outputs = torch.arange(8.0).view(2, 4, 1).repeat(2, 1, 1)[:3]
    mask = prefix_mask([4, 2, 0], 4)
    picked = last_real(outputs, mask, initial=torch.full((3, 1), -1.0))
    assert picked.flatten().tolist() == [3, 5, -1]


def test_stack_is_its_layers_one_after_another() -> None:
    stack = make("stack_mixed")
    inputs, state = draw(stack), draw_state(stack)
    outputs, last = stack.unroll(inputs, state)
    below, states = inputs, []
    for cell, layer_state in zip(stack.layers, state, strict=True):
        below, layer_state = cell.unroll(below, layer_state)
        states.append(layer_state)
    same((outputs, last), (below, tuple(states)))


class Doubled(GRU):
    """A cell with a step of its own, and nothing faster."""

    def forward(self, input: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        hidden, _ = super().forward(input, state)
        return 2 * hidden, 2 * hidden


def test_a_step_of_its_own_is_not_unrolled_as_another() -> None:
    cell = scattered(partial(Doubled, INPUT, **gru.keywords))
    inputs, start = draw(cell), draw_state(cell)
    same(cell.unroll(inputs, start), unroll_loop(cell, inputs, start))


def test_dropout_falls_between_layers_in_training_only() -> None:
    stack = Stack([gru(INPUT), gru(HIDDEN)], 0.5).double()
    inputs, state = draw(stack), stack.initial_state(BATCH)
    first, second = stack.unroll(inputs, state), stack.unroll(inputs, state)
    same(first[1][0], second[1][0], rtol=0, atol=0)  # the lowest layer reads all of its input
    assert not torch.equal(first[1][1], second[1][1])
    stack.eval()
    same(stack.unroll(inputs, state), stack.unroll(inputs, state), rtol=0, atol=0)


def test_dropout_of_one_layer_does_nothing() -> None:
    stack = Stack([gru(INPUT)], 0.9).double()
    inputs, state = draw(stack), stack.initial_state(BATCH)
    outputs, last = stack.layers[0].unroll(inputs, state[0])
    same(stack.unroll(inputs, state), (outputs, (last,)))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_weights_in_one_chunk_are_the_same_weights(name: str, masked: bool, monkeypatch) -> None:
    """As cuDNN has them; here the CPU reads them, from where they lie."""
    seen: list[list[torch.Tensor]] = []

    def side_by_side(weights: list[torch.Tensor]) -> list[torch.Tensor]:
        seen.append(contiguous_views(weights))
        return seen[-1]

    cell = make(name)
    inputs, state = draw(cell), draw_state(cell)
    mask = prefix_mask([inputs.shape[1]] * (BATCH - 1) + [1], inputs.shape[1]) if masked else None
    apart = cell.unroll_fast(inputs, state, mask)
    gradients = torch.autograd.grad(apart[0].sum(), [*cell.parameters()])
    monkeypatch.setattr("rnnlab.cells.fused.in_one_chunk", side_by_side)
    together = cell.unroll_fast(inputs, state, mask)
    same(together, apart, rtol=0, atol=0)
    same(torch.autograd.grad(together[0].sum(), [*cell.parameters()]), gradients)
    (weights,) = seen
    offset = 0
    for weight in weights:
        assert weight.is_contiguous()
        assert weight.storage_offset() == offset
        assert weight.untyped_storage().data_ptr() == weights[0].data_ptr()
        offset += weight.numel()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ["elman", "lstm", "gru"])
def test_cudnn_takes_the_weights_as_they_lie(name: str, masked: bool) -> None:
    """It warns of others, and a warning is an error here."""
    cell = make(name).cuda()
    inputs = draw(cell).cuda()
    state = cell.initial_state(BATCH)
    mask = prefix_mask([inputs.shape[1]] * (BATCH - 1) + [1], inputs.shape[1]) if masked else None
    mask = None if mask is None else mask.cuda()
    fast = cell.unroll_fast(inputs, state, mask)
    loop = unroll_loop(cell, inputs, state, mask)
    same(fast[1], loop[1], rtol=1e-4, atol=1e-5)
