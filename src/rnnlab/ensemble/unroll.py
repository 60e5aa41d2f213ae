"""How cells unroll for N members under `vmap`: by kernels, or else by `unroll_loop`.

Without kernels and for N = 32, `unroll_loop` took 0.75 to 1.3 times as long as a loop with
gradients written by hand, which is therefore not kept.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rnnlab.cells import Cell, Stack, Taps, TapsMLP, readable, unroll_loop
from rnnlab.cells.base import one_hot, usable_kernel
from rnnlab.cells.kernels import unroll_by_kernel
from rnnlab.cells.taps import last_inputs
from rnnlab.models.answers import can_select_steps
from rnnlab.models.base import Model
from rnnlab.models.stream import Embed, Stream
from rnnlab.state import State, leaves


@contextmanager
def unrolling_members(model: Model, steps: Sequence[int] | None) -> Iterator[None]:
    """Make the cells and linear layers of a model compute for N members under `vmap`.

    Args:
        model: the model.
        steps: the steps whose outputs are needed, or `None` for all; only if `can_select_steps`.
    """
    cells = [c for c in model.modules() if isinstance(c, Cell) and not isinstance(c, Stack)]
    top = model.cell.layers[-1] if isinstance(model, Stream) else None
    # An attribute of the instance hides the method of its class.
    replaced: list[tuple[nn.Module, str, Any]] = [
        *((c, "unroll", partial(_unroll, c, steps if c is top else None)) for c in cells),
        *((m, "forward", partial(_linear, m)) for m in model.modules() if type(m) is nn.Linear),
    ]
    if can_select_steps(model) and model.embed.one_hot:
        replaced.append((model.embed, "forward", partial(_embed, model.embed)))
    with readable(model):
        for module, name, function in replaced:
            setattr(module, name, function)
        try:
            yield
        finally:
            for module, name, _ in replaced:
                delattr(module, name)


def _unroll(
    cell: Cell,
    steps: Sequence[int] | None,
    inputs: Tensor,
    state: State,
    mask: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Unroll as `Cell.unroll` does; with `steps`, outputs of these only and an undefined state."""
    if (kernel := usable_kernel(cell, inputs)) is not None:
        return unroll_by_kernel(kernel, inputs, state, mask, steps=steps)
    inputs = one_hot(inputs, cell.input_size, leaves(state)[0].dtype)
    if isinstance(cell, Taps) and type(cell) in (Taps, TapsMLP):
        return _taps(cell, steps, inputs, state, mask)
    outputs, state = unroll_loop(cell, inputs, state, mask)
    return (outputs if steps is None else outputs[:, list(steps)]), state


def _embed(embed: Embed, inputs: Tensor) -> Tensor:
    """Leave token ids `(B, T)` as indices of one-hot vectors; a single step becomes vectors."""
    return inputs if inputs.dim() == 2 else Embed.forward(embed, inputs)


def _taps(
    cell: Taps, steps: Sequence[int] | None, inputs: Tensor, state: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Transform the windows of all wanted steps in one product, as `Taps.unroll_fast` does."""
    length, taps = inputs.shape[1], cell.taps
    padded = torch.cat([state.flip(1), inputs], dim=1)
    device = inputs.device
    wanted = torch.tensor(range(length) if steps is None else steps, device=device)
    index = wanted[:, None] + torch.arange(taps - 1, -1, -1, device=device)  # (S, K), newest first
    windows = padded[:, index]  # under `vmap`, `unfold` would copy tap by tap
    outputs = cell.transform(windows.flatten(2))
    return outputs, state if steps is not None else last_inputs(inputs, state, mask)


def _linear(layer: nn.Linear, features: Tensor) -> Tensor:
    """Apply a linear layer by one product per member; `vmap` of `F.linear` makes one per row."""
    product = features.flatten(0, -2) @ layer.weight.t()
    output = product.unflatten(0, features.shape[:-1])
    return output if layer.bias is None else output + layer.bias
