"""How a cell unrolls N members at once: the one place to put a faster way.

Under `vmap` the loop over steps would be one small operation after another, with the overhead of
`vmap` and of autograd on each. Where `UNROLLS` has a way for a kind of cell, that one is taken
instead: a function that is called with one member's view of things, as `Cell.unroll` is, and that
does the work for all in operations with a vmap rule of their own (`scans`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from rnnlab.cells import (
    GRU,
    LSTM,
    Cell,
    Elman,
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
from rnnlab.cells.lstm import _SHUT
from rnnlab.ensemble.jordan import JordanScan, Settings
from rnnlab.ensemble.scans import Gated, Kind, LongShort, Plain, Scan
from rnnlab.models.base import Model
from rnnlab.models.stream import Stream
from rnnlab.spec import Tokens
from rnnlab.state import State

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
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    top = model.cell.layers[-1] if isinstance(model, Stream) else None
    with readable(model):
        # An instance's own attribute stands before its class's method.
        for cell in cells:
            cell.unroll = partial(_unroll, cell, steps if cell is top else None)  # type: ignore[method-assign]
        for layer in layers:
            layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for cell in cells:
                del cell.unroll
            for layer in layers:
                del layer.forward


def answers_steps(model: Model) -> bool:
    """Tell whether outputs at some steps alone can be had: the readout is then spared the rest."""
    return isinstance(model, Stream) and model.horizon is None and not model.taught


def _unroll(
    cell: Cell,
    steps: Sequence[int] | None,
    inputs: Tensor,
    state: State,
    mask: Tensor | None = None,
) -> tuple[Tensor, State]:
    way = UNROLLS.get(type(cell))
    found = way(cell, inputs, state, mask, steps) if way else None
    if found is None:
        outputs, state = unroll_loop(cell, inputs, state, mask)
        return (outputs if steps is None else outputs[:, list(steps)]), state
    return found


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


def _elman(
    cell: Cell, inputs: Tensor, state: Tensor, mask: Tensor | None, steps: Sequence[int] | None
) -> tuple[Tensor, Tensor]:
    assert isinstance(cell, Elman)
    read = torch.cat([cell.input_weight, cell.bias[:, None]], dim=1)
    recurrent = cell.recurrent_weight
    outputs, _ = _scan(
        Plain(cell.activation), inputs, state, state[:, :0], [read], [recurrent], steps
    )
    return outputs, last_real(outputs, mask, state)


def _gru(
    cell: Cell, inputs: Tensor, state: Tensor, mask: Tensor | None, steps: Sequence[int] | None
) -> tuple[Tensor, Tensor]:
    assert isinstance(cell, GRU)
    read = torch.cat([cell.input_weight, cell.bias[:, None]], dim=1)
    reset, update, candidate = read.chunk(3)
    inner = torch.cat([torch.zeros_like(candidate[:, 1:]), cell.candidate_bias[:, None]], dim=1)
    reads = [reset, update, inner, candidate]
    recurrent = cell.recurrent_weight.chunk(3)
    outputs, _ = _scan(Gated(), inputs, state, state[:, :0], reads, recurrent, steps)
    return outputs, last_real(outputs, mask, state)


def _lstm(
    cell: Cell, inputs: Tensor, state: State, mask: Tensor | None, steps: Sequence[int] | None
) -> tuple[Tensor, LSTMState] | None:
    """As `LSTM.unroll_fast`, whose way to hold the memory cell on padding it shares."""
    assert isinstance(cell, LSTM)
    if not cell.has_fast_twin(inputs):
        return None
    read: Tensor = cell.input_weight
    if mask is not None:
        block = torch.full_like(read[: cell.output_size, :1], _SHUT)
        nothing = torch.zeros_like(block)
        read = torch.cat([read, torch.cat([-block, block, nothing, nothing])], dim=1)
        inputs = torch.cat([inputs, (~mask)[..., None].to(inputs.dtype)], dim=2)
    reads = torch.cat([read, cell.bias[:, None]], dim=1).chunk(4)
    recurrent = cell.recurrent_weight.chunk(4)
    hidden, memory = state.hidden, state.cell
    outputs, memory = _scan(LongShort(), inputs, hidden, memory, reads, recurrent, steps)
    return outputs, LSTMState(last_real(outputs, mask, state.hidden), memory)


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


def _scan(
    kind: Kind,
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor,
    reads: Sequence[Tensor],
    recurrent: Sequence[Tensor],
    steps: Sequence[int] | None,
) -> tuple[Tensor, Tensor]:
    """Unroll: `(B, T, I)` -> `(B, S, H)`, and the last memory cell.

    Args:
        kind: what a step does.
        inputs: `(B, T, I)`.
        hidden: `(B, H)`.
        cell: `(B, H)`, or `(B, 0)`.
        reads: `(H, I + 1)`, the weights of the inputs and the bias, of each sum.
        recurrent: `(H, H)`, the weights of the hidden state, of each sum that reads it.
        steps: those wanted.
    """
    read, recur = (torch.stack([part.t() for part in parts]) for parts in (reads, recurrent))
    outputs, memory, *_ = Scan.apply(kind, steps, read, recur, hidden, cell, _by_step(inputs))
    return outputs.transpose(0, 1), memory


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
    Elman: _elman,
    GRU: _gru,
    Jordan: _jordan,
    LSTM: _lstm,
    Taps: _taps,
    TapsMLP: _taps,
}
