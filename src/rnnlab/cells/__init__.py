"""Cells: `(input, state) -> (output, state)`."""

from rnnlab.cells.base import Cell, readable, unroll_loop
from rnnlab.cells.elman import Elman
from rnnlab.cells.gru import GRU
from rnnlab.cells.horizon import unroll_within
from rnnlab.cells.jordan import Jordan, JordanState
from rnnlab.cells.lstm import LSTM, LSTMState
from rnnlab.cells.stack import Stack
from rnnlab.cells.taps import Taps, TapsMLP

__all__ = [
    "GRU",
    "LSTM",
    "Cell",
    "Elman",
    "Jordan",
    "JordanState",
    "LSTMState",
    "Stack",
    "Taps",
    "TapsMLP",
    "readable",
    "unroll_loop",
    "unroll_within",
]
