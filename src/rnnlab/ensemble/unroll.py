"""How a cell unrolls N members at once: the one place to put a faster way.

Under `vmap` the loop over steps would be one small operation after another, with the overhead of
`vmap` and of autograd on each. Cells that `nets` knows, and those in `UNROLLS`, go another way: it
is called with one member's view of things, as `Cell.unroll` is, and does the work for all in
operations with a vmap rule of their own (`fused`, or `scans` where there are no kernels).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from rnnlab.cells import (
    LSTM,
    Cell,
    Jordan,
    JordanState,
    LSTMState,
    Stack,
    Taps,
    TapsMLP,
    readable,
    unroll_loop,
)
from rnnlab.cells.base import last_real
from rnnlab.ensemble.fused import FusedScan, Net, has_kernels
from rnnlab.ensemble.jordan import JordanScan, Settings
from rnnlab.ensemble.nets import kind_of, net_of, way_of
from rnnlab.ensemble.scans import Kind, Scan
from rnnlab.models.base import Model
from rnnlab.models.stream import Embed, Stream
from rnnlab.spec import Tokens
from rnnlab.state import State, leaves

Unroll = Callable[
    [Cell, Tensor, State, Tensor | None, Sequence[int] | None], tuple[Tensor, State] | None
]
"""(cell, inputs, state, mask, steps) -> what `Cell.unroll` gives, with the outputs of `steps` alone
where these are given (the state means nothing then), or `None` where it is no way for such a cell.
"""


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
    found = _scan(cell, inputs, state, mask, steps)
    if found is None:
        inputs = _vectors(inputs, cell.input_size, leaves(state)[0])
        way = UNROLLS.get(type(cell))
        found = way(cell, inputs, state, mask, steps) if way else None
    if found is None:
        outputs, state = unroll_loop(cell, inputs, state, mask)
        return (outputs if steps is None else outputs[:, list(steps)]), state
    return found


def _ids_over_time(embed: Embed, inputs: Tensor) -> Tensor:
    """Leave tokens as they are, where one-hot vectors would be read; single steps are turned."""
    return inputs if inputs.dim() == 2 else Embed.forward(embed, inputs)


def _vectors(inputs: Tensor, size: int, like: Tensor) -> Tensor:
    """Give one-hot vectors `(B, T, I)` in place of ids `(B, T)`."""
    if inputs.is_floating_point():
        return inputs
    return (inputs[..., None] == torch.arange(size)).to(like.dtype)


def _scan(
    cell: Cell, inputs: Tensor, state: State, mask: Tensor | None, steps: Sequence[int] | None
) -> tuple[Tensor, State] | None:
    kind, way = kind_of(cell), way_of(cell)
    if kind is None:
        return None
    net = net_of(cell, inputs, state, mask)
    wanted = range(inputs.shape[1]) if steps is None else steps
    if has_kernels(net):
        outputs, memory = FusedScan.apply(way, wanted, *net)
    else:
        outputs, memory, *_ = Scan.apply(kind, steps, *_plain(kind, net))
        outputs = outputs.transpose(0, 1)
    hidden = last_real(outputs, mask, net.hidden)
    return outputs, LSTMState(hidden, memory) if isinstance(cell, LSTM) else hidden


def _plain(kind: Kind, net: Net) -> tuple[Tensor, ...]:
    """Give what `Scan` takes."""
    size = net.hidden.shape[1]
    recur, read = net.weight[list(kind.recurs), :, :size], net.weight[:, :, size:]
    vectors = _by_step(_vectors(net.inputs, read.shape[2], read))
    read = torch.cat([read, net.bias[..., None]], dim=2)
    return read.transpose(1, 2), recur.transpose(1, 2), net.hidden, net.cell, vectors


def _taps(
    cell: Cell, inputs: Tensor, state: Tensor, mask: Tensor | None, steps: Sequence[int] | None
) -> tuple[Tensor, Tensor] | None:
    """Cut the wanted windows side by side, tap by tap, and transform them in one product."""
    assert isinstance(cell, Taps)
    length, taps = inputs.shape[1], cell.taps
    padded = torch.cat([state.flip(1), inputs], dim=1)
    wanted = torch.arange(length) if steps is None else torch.tensor(steps)
    index = wanted[:, None] + torch.arange(taps - 1, -1, -1)  # (S, K), newest first
    windows = padded[:, index]
    outputs = cell.transform(windows.flatten(2))
    if steps is not None:
        return outputs, state
    if mask is None:
        return outputs, padded[:, padded.shape[1] - taps + 1 :].flip(1)
    held = last_real(windows[:, :, : taps - 1].flatten(2), mask, state.flatten(1))
    return outputs, held.view_as(state)


def _jordan(
    cell: Cell, inputs: Tensor, state: State, mask: Tensor | None, steps: Sequence[int] | None
) -> tuple[Tensor, JordanState] | None:
    assert isinstance(cell, Jordan)
    if len(cell.hidden) > 2 or mask is not None:
        return None  # several layers, or states to be held
    size = cell.output_size
    first = cell.hidden[0]
    assert isinstance(first, nn.Linear)
    right = taught = None
    if cell.teacher_forcing:
        inputs, right, taught = inputs.split([inputs.shape[2] - 2 * size, size, size], dim=2)
        right, taught = right.transpose(0, 1), taught.transpose(0, 1)
    read, recur = first.weight.split([inputs.shape[2], size], dim=1)
    read = torch.cat([read, first.bias[:, None]], dim=1)
    weights = (read.t(), recur.t(), cell.readout.weight.t(), cell.readout.bias)
    settings = Settings(cell.activation, cell.decay, isinstance(cell.output, Tokens))
    before = (state.context, state.output)
    answers, context, output, *_ = JordanScan.apply(
        settings, *weights, *before, _by_step(inputs), right, taught
    )
    answers = answers if steps is None else answers[list(steps)]
    return answers.transpose(0, 1), JordanState(context, output)


def _by_step(inputs: Tensor) -> Tensor:
    """Put time first, and the 1 of the bias at the end: `(B, T, I)` -> `(T, B, I + 1)`."""
    by_step = inputs.transpose(0, 1)
    return torch.cat([by_step, torch.ones_like(by_step[..., :1])], dim=2)


def _forward(layer: nn.Linear, features: Tensor) -> Tensor:
    output = _linear(features, layer.weight)
    return output if layer.bias is None else output + layer.bias


def _linear(features: Tensor, weight: Tensor) -> Tensor:
    """As `F.linear`, in one product a member where `vmap` would make one for each of its rows."""
    return (features.flatten(0, -2) @ weight.t()).unflatten(0, features.shape[:-1])


UNROLLS: dict[type[Cell], Unroll] = {
    Jordan: _jordan,
    Taps: _taps,
    TapsMLP: _taps,
}
