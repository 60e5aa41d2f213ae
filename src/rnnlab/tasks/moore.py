"""Moore machines, which a task asks for and an analysis finds in a network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NOTHING = -1
"""The value of a missing transition or answer."""


@dataclass(frozen=True)
class Machine:
    """A Moore machine (Moore, 1956): the answer after a symbol is the output of the new state.

    Attributes:
        transitions: `(S, K)`, the state after each symbol, or `NOTHING`.
        outputs: `(S,)`, the answer of each state, or `NOTHING`.
        start: the initial state.
    """

    transitions: Ints
    outputs: Ints
    start: int

    def answers(self, symbols: Ints) -> Ints:
        """Return the answers `(B, T)` after each symbol of strings `(B, T)`.

        They are `NOTHING` from the first symbol on that is negative or has no transition.
        """
        # One more state, without an answer and without a way out.
        table = np.pad(self.transitions, ((0, 1), (0, 1)), constant_values=NOTHING)
        outputs = np.append(self.outputs, NOTHING)
        state = np.full(len(symbols), self.start)
        answered = np.empty_like(symbols)
        for step, symbol in enumerate(symbols.T):
            state = table[state, symbol]
            answered[:, step] = outputs[state]
        return answered

    def strings(self, numbers: NDArray[np.float64]) -> Ints:
        """Make strings of uniform random numbers `(B, T)`, in [0, 1).

        In each state all symbols with a transition are equally likely.
        """
        there = self.transitions != NOTHING
        count, order = there.sum(1), np.argsort(~there, axis=1, kind="stable")
        state = np.full(len(numbers), self.start)
        symbols = np.empty(numbers.shape, dtype=np.int64)
        for step, drawn in enumerate(numbers.T):
            symbols[:, step] = order[state, (drawn * count[state]).astype(np.int64)]
            state = self.transitions[state, symbols[:, step]]
        return symbols
