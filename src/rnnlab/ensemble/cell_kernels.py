"""The kernel of each cell, and the tensors that the kernel reads."""

import torch
from torch import Tensor, nn

from rnnlab.cells import GRU, LSTM, Cell, Elman, Jordan, JordanState, LSTMState, TapsMLP
from rnnlab.cells.lstm import SATURATED
from rnnlab.ensemble.fused import SCAN, CellTensors, Kernel
from rnnlab.state import State

_ACTIVATIONS = ("tanh", "sigmoid", "relu")  # in the order of vectors.h
_GRU, _LSTM = 3, 4  # kinds in scan.cpp, after the activations of Elman networks


def kernel_of(cell: Cell) -> Kernel | None:
    """Return the kernel of a cell, or `None`; a subclass has none, as its step may differ."""
    if type(cell) is Elman:
        return Kernel(SCAN, _ACTIVATIONS.index(cell.activation))
    if type(cell) is GRU:
        return Kernel(SCAN, _GRU)
    if type(cell) is LSTM and cell.is_standard:
        return Kernel(SCAN, _LSTM)
    if type(cell) is TapsMLP and len(cell.hidden) == 2:  # one layer and its activation
        return Kernel("rnnlab_taps", _ACTIVATIONS.index(cell.activation))
    if type(cell) is Jordan and len(cell.hidden) == 2:
        kind = _ACTIVATIONS.index(cell.activation)
        return Kernel("rnnlab_jordan", kind, cell.decay, cell.teacher_forcing)
    return None


def cell_tensors(
    cell: Cell, inputs: Tensor, state: State, mask: Tensor | None = None
) -> CellTensors:
    """Return the tensors that the kernel of a cell reads.

    Args:
        cell: a cell that has a kernel.
        inputs: `(B, T, I)` without teacher-forced targets, or the indices `(B, T)` of one-hot ones.
        state: before step 0.
        mask: `(B, T)`; on padding a memory cell stays constant, a hidden state need not.
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


def _elman(cell: Elman, inputs: Tensor, state: Tensor) -> CellTensors:
    weight = torch.cat([cell.recurrent_weight, cell.input_weight], dim=1)
    return CellTensors(weight[None], cell.bias[None], state, state[:, :0], inputs)


def _gru(cell: GRU, inputs: Tensor, state: Tensor) -> CellTensors:
    """Split the candidate into two sums, as the reset gate multiplies only one of them."""
    reset, update, _ = torch.cat([cell.recurrent_weight, cell.input_weight], dim=1).chunk(3)
    kept, read = cell.recurrent_weight.chunk(3)[2], cell.input_weight.chunk(3)[2]
    kept = torch.cat([kept, torch.zeros_like(read)], dim=1)
    read = torch.cat([torch.zeros_like(kept[:, : cell.output_size]), read], dim=1)
    biases = cell.bias.chunk(3)
    bias = torch.stack([biases[0], biases[1], cell.candidate_bias, biases[2]])
    return CellTensors(torch.stack([reset, update, kept, read]), bias, state, state[:, :0], inputs)


def _lstm(cell: LSTM, inputs: Tensor, state: LSTMState, mask: Tensor | None) -> CellTensors:
    """Keep the memory cell constant on padding by saturated gates, as `LSTM.unroll_fast` does."""
    size = cell.output_size
    weight = torch.cat([cell.recurrent_weight, cell.input_weight], dim=1)
    if mask is not None:
        large = torch.full_like(weight[:size, :1], SATURATED)
        zero = torch.zeros_like(large)
        weight = torch.cat([weight, torch.cat([-large, large, zero, zero])], dim=1)
        inputs = torch.cat([inputs, (~mask)[..., None].to(inputs.dtype)], dim=2)
    weights, bias = weight.unflatten(0, (4, size)), cell.bias.view(4, size)
    return CellTensors(weights, bias, state.hidden, state.cell, inputs)


def _jordan(cell: Jordan, inputs: Tensor, state: JordanState) -> CellTensors:
    first = cell.hidden[0]
    assert isinstance(first, nn.Linear)
    size = first.in_features - cell.output_size
    weight = torch.cat([first.weight[:, size:], first.weight[:, :size]], dim=1)
    return CellTensors(weight[None], first.bias[None], state.output, state.context, inputs)


def _taps(cell: TapsMLP, inputs: Tensor, state: Tensor) -> CellTensors:
    """Reverse taps and weights to oldest first, the order of the inputs in time."""
    first = cell.hidden[0]
    assert isinstance(first, nn.Linear)
    weight = first.weight.unflatten(1, (cell.taps, cell.input_size)).flip(1).flatten(1)
    before = state.flip(1).flatten(1)
    return CellTensors(weight[None], first.bias[None], before, before[:, :0], inputs)
