"""Backpropagation through a limited number of steps."""

import torch
from torch import Tensor

from rnnlab.cells.base import Cell
from rnnlab.state import State, map_state


def unroll_within(
    cell: Cell,
    inputs: Tensor,
    state: State,
    horizon: int | None,
    mask: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Unroll so that gradient flows back at most `horizon` steps from each output.

    The values are those of `cell.unroll`; `horizon=None` is full backpropagation through time,
    `horizon=1` Elman's rule, under which the context counts as one more input. Exact for any
    horizon k: the states are found first without gradients, then all T windows of k steps, each
    from a cut state, run side by side as one batch of B T rows, which costs k times the
    arithmetic of a plain unroll in k steps instead of T. Dropout between layers draws anew in the
    second pass.

    Args:
        cell: any cell.
        inputs: `(B, T, I)`.
        state: the state before the first step; gradient reaches it over `horizon` steps too.
        horizon: k >= 1 in steps, or None.
        mask: as in `Cell.unroll`.
    """
    batch_size, length = inputs.shape[:2]
    if horizon is None or horizon >= length or not torch.is_grad_enabled():
        return cell.unroll(inputs, state, mask)

    with torch.no_grad():
        visited = cell.trajectory(inputs, state)  # after each step

    def window_starts(first: Tensor, after: Tensor) -> Tensor:
        """Give the state before each window: the first k windows all begin at step 0."""
        repeated = first[:, None].expand(-1, horizon, *first.shape[1:])
        return torch.cat([repeated, after[:, : length - horizon]], dim=1).flatten(0, 1)

    starts = map_state(window_starts, state, visited)
    ends = torch.arange(length, device=inputs.device)
    steps = (ends - horizon + 1).clamp(min=0)[:, None] + torch.arange(
        horizon, device=inputs.device
    )  # (T, k): the steps of each window, past its end in the first k-1 of them
    real = (steps <= ends[:, None]).expand(batch_size, -1, -1)
    if mask is not None:
        real = real & mask[:, steps]
    outputs, states = cell.unroll(inputs[:, steps].flatten(0, 1), starts, real.flatten(0, 1))
    outputs = outputs.unflatten(0, (batch_size, length))
    at_end = (ends.clamp(max=horizon - 1)).view(1, length, 1, 1)
    outputs = outputs.gather(2, at_end.expand(batch_size, -1, 1, outputs.shape[3])).squeeze(2)

    lengths = torch.full((batch_size,), length) if mask is None else mask.sum(1)
    rows = torch.arange(batch_size, device=inputs.device)
    final = (lengths.to(inputs.device) - 1).clamp(min=0)
    return outputs, map_state(lambda s: s.unflatten(0, (batch_size, length))[rows, final], states)
