"""Jacobian-vector products of a map, several at once."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp, vmap

Map = Callable[[Tensor], Tensor]
"""A map of states `(B, D)` -> `(B, D)`, row by row."""


@torch.no_grad()
def push(step: Map, states: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
    """Return F(s) and dF/ds Q: `(B, D)`, `(B, D, K)` -> `(B, D)`, `(B, D, K)`.

    By forward-mode differentiation of K directions, without the Jacobian.
    """

    def along(direction: Tensor) -> tuple[Tensor, Tensor]:
        new, pushed = jvp(step, (states,), (direction,))  # type: ignore[misc]
        return new, pushed

    with warnings.catch_warnings():  # raised by torch's own forward mode
        warnings.filterwarnings("ignore", "`torch.jit.script`")
        each = vmap(along, in_dims=2, out_dims=(None, 2))  # type: ignore[arg-type]
        return each(frame)


def jacobian(step: Map, states: Tensor) -> Tensor:
    """Return the Jacobian dF/ds: `(B, D)` -> `(B, D, D)`, a row for each output."""
    frame = torch.eye(states.shape[1], dtype=states.dtype, device=states.device)
    return push(step, states, frame.expand(len(states), -1, -1))[1]
