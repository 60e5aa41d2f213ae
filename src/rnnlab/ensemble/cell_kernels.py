"""Cells as the kernels take them: weighted sums over the fed-back state and the inputs."""

import torch
from torch import Tensor, nn

from rnnlab.cells import GRU, LSTM, Cell, Elman, Jordan, JordanState, LSTMState, TapsMLP
from rnnlab.cells.lstm import SATURATED
from rnnlab.ensemble.fused import SCAN, Net, Way
from rnnlab.state import State

_ACTIVATIONS = ("tanh", "sigmoid", "relu")  # in the order of vectors.h
_GATED, _LONG_SHORT = 3, 4  # as in scan.cpp


def way_of(cell: Cell) -> Way | None:
    """Return how the kernels run a cell, or `None` if they can't.

    A subclass is another cell: its step may be its own.
    """
    if type(cell) is Elman:
        return Way(SCAN, _ACTIVATIONS.index(cell.activation))
    if type(cell) is GRU:
        return Way(SCAN, _GATED)
    if type(cell) is LSTM and cell.is_standard:
        return Way(SCAN, _LONG_SHORT)
    if type(cell) is TapsMLP and len(cell.hidden) == 2:  # one layer and its activation
        return Way("rnnlab_taps", _ACTIVATIONS.index(cell.activation))
    if type(cell) is Jordan and len(cell.hidden) == 2:
        code = _ACTIVATIONS.index(cell.activation)
        return Way("rnnlab_jordan", code, cell.decay, cell.teacher_forcing)
    return None


def net_of(cell: Cell, inputs: Tensor, state: State, mask: Tensor | None = None) -> Net:
    """Give what a cell that `way_of` knows runs over.

    Args:
        cell: one of them.
        inputs: `(B, T, I)` without a teacher's part, or ids `(B, T)`.
        state: before the first step.
        mask: `(B, T)`; a hidden state may run on after the real steps, a memory cell is held.
    """
    if type(cell) is Elman:
        return _elman(cell, inputs, state)
    if type(cell) is GRU:
        return _gru(cell, inputs, state)
    if type(cell) is LSTM:
        return _lstm(cell, inputs, state, mask)
    if type(cell) is Jordan:
        return _jordan(cell, inputs, state)
    assert type(cell) is TapsMLP
    return _taps(cell, inputs, state)


def _elman(cell: Elman, inputs: Tensor, state: Tensor) -> Net:
    weight = torch.cat([cell.recurrent_weight, cell.input_weight], dim=1)
    return Net(weight[None], cell.bias[None], state, state[:, :0], inputs)


def _gru(cell: GRU, inputs: Tensor, state: Tensor) -> Net:
    """Give the candidate's two halves sums of their own, for the reset gate stands between them."""
    reset, update, _ = torch.cat([cell.recurrent_weight, cell.input_weight], dim=1).chunk(3)
    kept, read = cell.recurrent_weight.chunk(3)[2], cell.input_weight.chunk(3)[2]
    kept = torch.cat([kept, torch.zeros_like(read)], dim=1)
    read = torch.cat([torch.zeros_like(kept[:, : cell.output_size]), read], dim=1)
    biases = cell.bias.chunk(3)
    bias = torch.stack([biases[0], biases[1], cell.candidate_bias, biases[2]])
    return Net(torch.stack([reset, update, kept, read]), bias, state, state[:, :0], inputs)


def _lstm(cell: LSTM, inputs: Tensor, state: LSTMState, mask: Tensor | None) -> Net:
    """As `LSTM.unroll_fast`, whose way to hold the memory cell on padding it shares."""
    size = cell.output_size
    weight = torch.cat([cell.recurrent_weight, cell.input_weight], dim=1)
    if mask is not None:
        shut = torch.full_like(weight[:size, :1], SATURATED)
        nothing = torch.zeros_like(shut)
        weight = torch.cat([weight, torch.cat([-shut, shut, nothing, nothing])], dim=1)
        inputs = torch.cat([inputs, (~mask)[..., None].to(inputs.dtype)], dim=2)
    weights, bias = weight.unflatten(0, (4, size)), cell.bias.view(4, size)
    return Net(weights, bias, state.hidden, state.cell, inputs)


def _jordan(cell: Jordan, inputs: Tensor, state: JordanState) -> Net:
    first = cell.hidden[0]
    assert isinstance(first, nn.Linear)
    size = first.in_features - cell.output_size
    weight = torch.cat([first.weight[:, size:], first.weight[:, :size]], dim=1)
    return Net(weight[None], first.bias[None], state.output, state.context, inputs)


def _taps(cell: TapsMLP, inputs: Tensor, state: Tensor) -> Net:
    """Give taps and weights oldest first, as they follow one another in time."""
    first = cell.hidden[0]
    assert isinstance(first, nn.Linear)
    weight = first.weight.unflatten(1, (cell.taps, cell.input_size)).flip(1).flatten(1)
    before = state.flip(1).flatten(1)
    return Net(weight[None], first.bias[None], before, before[:, :0], inputs)
