"""How small differences travel through a map, along the directions that are asked for."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp, vmap

Map = Callable[[Tensor], Tensor]
"""From states `(B, D)` to the next `(B, D)`, each row by itself."""


@torch.no_grad()
def push(step: Map, states: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
    """Give F(s) and the products dF/ds Q: `(B, D)`, `(B, D, K)` -> `(B, D)`, `(B, D, K)`.

    K forward derivatives at once; the Jacobian itself is never made.
    """

    def along(direction: Tensor) -> tuple[Tensor, Tensor]:
        new, pushed = jvp(step, (states,), (direction,))  # type: ignore[misc]
        return new, pushed

    with warnings.catch_warnings():  # torch's own forward derivatives use what torch deprecates
        warnings.filterwarnings("ignore", "`torch.jit.script`", DeprecationWarning)
        each = vmap(along, in_dims=2, out_dims=(None, 2))  # type: ignore[arg-type]
        return each(frame)


def jacobian(step: Map, states: Tensor) -> Tensor:
    """Give dF/ds at states: `(B, D)` -> `(B, D, D)`, a row an output."""
    frame = torch.eye(states.shape[1], dtype=states.dtype, device=states.device)
    return push(step, states, frame.expand(len(states), -1, -1))[1]
