"""How a cell unrolls N members at once: by the kernels, else by its readable loop under `vmap`.

Measured for N = 32 without kernels, the loop takes about as long as a loop over all members with
gradients written by hand (0.75 to 1.3 of its time), so none is kept beside it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from rnnlab.cells import LSTM, Cell, LSTMState, Stack, Taps, TapsMLP, readable, unroll_loop
from rnnlab.cells.base import last_real
from rnnlab.ensemble.fused import SCAN, FusedScan, Way, has_kernels
from rnnlab.ensemble.nets import net_of, way_of
from rnnlab.models.base import Model
from rnnlab.models.stream import Embed, Stream
from rnnlab.state import State, leaves


@contextmanager
def unrolling_members(model: Model, steps: Sequence[int] | None) -> Iterator[None]:
    """Make every cell inside `model` unroll in the way that suits N members under `vmap`.

    Args:
        model: any.
        steps: the steps whose outputs are wanted, of a model for which `answers_steps` is true.
    """
    cells = [c for c in model.modules() if isinstance(c, Cell) and not isinstance(c, Stack)]
    top = model.cell.layers[-1] if isinstance(model, Stream) else None
    # An instance's own attribute stands before its class's method.
    own: list[tuple[nn.Module, str, Any]] = [
        *((c, "unroll", partial(_unroll, c, steps if c is top else None)) for c in cells),
        *((m, "forward", partial(_forward, m)) for m in model.modules() if type(m) is nn.Linear),
    ]
    if answers_steps(model) and model.embed.one_hot:
        own.append((model.embed, "forward", partial(_ids_over_time, model.embed)))
    with readable(model):
        for module, name, function in own:
            setattr(module, name, function)
        try:
            yield
        finally:
            for module, name, _ in own:
                delattr(module, name)


def answers_steps(model: Model) -> TypeGuard[Stream]:
    """Tell whether outputs at some steps alone can be had: the readout is then spared the rest."""
    return isinstance(model, Stream) and model.horizon is None and not model.taught


def _unroll(
    cell: Cell,
    steps: Sequence[int] | None,
    inputs: Tensor,
    state: State,
    mask: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Unroll as `Cell.unroll` does; with `steps`, the outputs of these alone and no true state."""
    like = leaves(state)[0]
    way = way_of(cell)
    if way is not None and way.kernel == SCAN and has_kernels([inputs, like]):
        return _scan(cell, way, steps, inputs, state, mask)
    if not inputs.is_floating_point():
        inputs = (inputs[..., None] == torch.arange(cell.input_size)).to(like.dtype)
    if isinstance(cell, Taps) and type(cell) in (Taps, TapsMLP):
        return _taps(cell, steps, inputs, state, mask)
    outputs, state = unroll_loop(cell, inputs, state, mask)
    return (outputs if steps is None else outputs[:, list(steps)]), state


def _ids_over_time(embed: Embed, inputs: Tensor) -> Tensor:
    """Leave tokens as they are, where one-hot vectors would be read; single steps are turned."""
    return inputs if inputs.dim() == 2 else Embed.forward(embed, inputs)


def _scan(
    cell: Cell,
    way: Way,
    steps: Sequence[int] | None,
    inputs: Tensor,
    state: State,
    mask: Tensor | None,
) -> tuple[Tensor, State]:
    net = net_of(cell, inputs, state, mask)
    wanted = range(inputs.shape[1]) if steps is None else steps
    outputs, memory = FusedScan.apply(way, wanted, *net)
    hidden = last_real(outputs, mask, net.hidden)
    return outputs, LSTMState(hidden, memory) if isinstance(cell, LSTM) else hidden


def _taps(
    cell: Taps, steps: Sequence[int] | None, inputs: Tensor, state: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Transform the wanted windows in one product, as `Taps.unroll_fast` does those of all."""
    length, taps = inputs.shape[1], cell.taps
    padded = torch.cat([state.flip(1), inputs], dim=1)
    wanted = torch.arange(length) if steps is None else torch.tensor(steps)
    index = wanted[:, None] + torch.arange(taps - 1, -1, -1)  # (S, K), newest first
    windows = padded[:, index]  # by `unfold`, `vmap` would copy tap by tap
    outputs = cell.transform(windows.flatten(2))
    if steps is not None:
        return outputs, state
    if mask is None:
        return outputs, padded[:, padded.shape[1] - taps + 1 :].flip(1)
    held = last_real(windows[:, :, : taps - 1].flatten(2), mask, state.flatten(1))
    return outputs, held.view_as(state)


def _forward(layer: nn.Linear, features: Tensor) -> Tensor:
    output = _linear(features, layer.weight)
    return output if layer.bias is None else output + layer.bias


def _linear(features: Tensor, weight: Tensor) -> Tensor:
    """As `F.linear`, in one product a member where `vmap` would make one for each of its rows."""
    return (features.flatten(0, -2) @ weight.t()).unflatten(0, features.shape[:-1])
