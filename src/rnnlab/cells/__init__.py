"""Cells: `(input, state) -> (output, state)`."""

from rnnlab.cells.base import Cell, HiddenCell, readable, unroll_loop
from rnnlab.cells.ctrnn import CTRNN
from rnnlab.cells.elman import Elman
from rnnlab.cells.gru import GRU
from rnnlab.cells.horizon import unroll_within
from rnnlab.cells.jordan import Jordan, JordanState
from rnnlab.cells.lstm import LSTM, LSTMState
from rnnlab.cells.min_gru import MinGRU
from rnnlab.cells.mrnn import MRNN
from rnnlab.cells.ntm import NTM, NTMState
from rnnlab.cells.stack import Stack
from rnnlab.cells.stack_rnn import StackRNN, StackRNNState
from rnnlab.cells.taps import Taps, TapsMLP

__all__ = [
    "CTRNN",
    "GRU",
    "LSTM",
    "MRNN",
    "NTM",
    "Cell",
    "Elman",
    "HiddenCell",
    "Jordan",
    "JordanState",
    "LSTMState",
    "MinGRU",
    "NTMState",
    "Stack",
    "StackRNN",
    "StackRNNState",
    "Taps",
    "TapsMLP",
    "readable",
    "unroll_loop",
    "unroll_within",
]
