"""Backpropagation through a limited number of steps."""

import torch
from torch import Tensor

from rnnlab.cells.base import Cell, one_hot, usable_kernel
from rnnlab.cells.kernels import CellKernel, unroll_by_kernel
from rnnlab.cells.stack import Stack
from rnnlab.state import State, leaves, map_state


def unroll_within(
    cell: Cell,
    inputs: Tensor,
    state: State,
    horizon: int | None,
    mask: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Unroll with backpropagation through at most `horizon` steps from each output.

    The values are those of `cell.unroll`. `horizon=None` is full backpropagation through time,
    `horizon=1` Elman's rule, which treats the context as a further input. Exact for any horizon k.
    A kernel keeps k gradients of the state, of outputs up to k-1 steps later. Without kernels a
    first pass computes the states without gradients, and a second one runs all T windows of k
    steps, each from its detached state, as one batch of B T rows. That is k times the arithmetic
    of `cell.unroll`, in k sequential steps instead of T; dropout between layers draws new masks in
    the second pass.

    Args:
        cell: any cell.
        inputs: `(B, T, I)`, or the indices `(B, T)` of one-hot ones.
        state: the state before the first step; the gradient with respect to it is limited to
            `horizon` steps as well.
        horizon: k >= 1 in steps, or None.
        mask: as in `Cell.unroll`.

    Returns:
        The outputs `(B, T, O)` and the final state.
    """
    batch_size, length = inputs.shape[:2]
    if horizon is None or horizon >= length or not torch.is_grad_enabled():
        return cell.unroll(inputs, state, mask)
    if (kernels := _kernels(cell, inputs, horizon)) is not None:
        return _unroll_layers(cell, kernels, inputs, state, horizon, mask)

    inputs = one_hot(inputs, cell.input_size, leaves(state)[0].dtype)
    with torch.no_grad():
        states_after = cell.trajectory(inputs, state)  # (B, T, ...)

    def window_starts(first: Tensor, after: Tensor) -> Tensor:
        """Return the state before each window `(B T, ...)`; the first k windows begin at step 0."""
        repeated = first[:, None].expand(-1, horizon, *first.shape[1:])
        return torch.cat([repeated, after[:, : length - horizon]], dim=1).flatten(0, 1)

    starts = map_state(window_starts, state, states_after)
    ends = torch.arange(length, device=inputs.device)
    steps = (ends - horizon + 1).clamp(min=0)[:, None] + torch.arange(
        horizon, device=inputs.device
    )  # (T, k): the steps of each window, past its end in the first k-1 of them
    real = (steps <= ends[:, None]).expand(batch_size, -1, -1)
    if mask is not None:
        real = real & mask[:, steps]
    windows = inputs[:, steps].flatten(0, 1)  # (B T, k, I)
    outputs, states = cell.unroll(windows, starts, real.flatten(0, 1))
    outputs = outputs.unflatten(0, (batch_size, length))  # (B, T, k, O)
    last = (ends.clamp(max=horizon - 1)).view(1, length, 1, 1)
    last = last.expand(batch_size, -1, 1, outputs.shape[3])  # (B, T, 1, O)
    outputs = outputs.gather(2, last).squeeze(2)  # (B, T, O)

    lengths = torch.full((batch_size,), length) if mask is None else mask.sum(1)
    rows = torch.arange(batch_size, device=inputs.device)
    final = (lengths.to(inputs.device) - 1).clamp(min=0)
    return outputs, map_state(lambda s: s.unflatten(0, (batch_size, length))[rows, final], states)


def _kernels(cell: Cell, inputs: Tensor, horizon: int) -> list[CellKernel] | None:
    """Return the kernel of each layer if all are usable here and can limit gradients."""
    layers = cell.layers if isinstance(cell, Stack) else [cell]
    kernels = [
        usable_kernel(layer, inputs, horizon=horizon) if layer.fast else None for layer in layers
    ]
    usable = [kernel for kernel in kernels if kernel is not None]
    return usable if len(usable) == len(layers) else None


def _unroll_layers(
    cell: Cell,
    kernels: list[CellKernel],
    inputs: Tensor,
    state: State,
    horizon: int,
    mask: Tensor | None,
) -> tuple[Tensor, State]:
    """Unroll layers between which gradients keep the age that they have reached above.

    Between layers the outputs have a copy for each age, `(k, B, T, H)`, equal in value.
    """
    stacked = isinstance(cell, Stack)
    states = list(state) if stacked else [state]
    for index, kernel in enumerate(kernels):
        if index:
            inputs = _drop(cell, inputs)
        inputs, states[index] = unroll_by_kernel(
            kernel,
            inputs,
            states[index],
            mask,
            horizon=horizon,
            aged_inputs=index > 0,
            aged_outputs=index < len(kernels) - 1,
        )
    return inputs, tuple(states) if stacked else states[0]


def _drop(cell: Cell, aged: Tensor) -> Tensor:
    """Apply dropout between layers, the same to the copies of all ages."""
    assert isinstance(cell, Stack)
    if not (cell.dropout.training and cell.dropout.p):
        return aged
    return aged * cell.dropout(torch.ones_like(aged[0]))
