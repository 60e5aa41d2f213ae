"""Regular grammars whose arcs are equally likely: strings of chosen lengths, and what they cost."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rnnlab.tasks.memoryless import memoryless_scores

Numbers = NDArray[np.float64]
Ids = NDArray[np.int64]


class Grammar:
    """A finite automaton that writes a symbol on each arc, and draws arcs with equal probability.

    Strings are drawn given that they have at most, or exactly, so many symbols, by the probability
    that each state ends in the symbols that are left. So no string is drawn in vain.

    Args:
        arcs: state -> symbol -> next state; the first state is the start, `end` has no arcs.
        symbols: all symbols, in the order of their ids.
        most: symbols of a string.
        exact: whether all strings have `most` symbols, or at most so many.

    Attributes:
        legal: `(S, V)` bool, whether a state has an arc of a symbol.
        following: `(S, V)`, the next state; of an illegal symbol the last one, `end`.
        choices: `(most + 1, S, V)`, the probability of each symbol with so many symbols left.
    """

    def __init__(
        self,
        arcs: Mapping[str, Mapping[str, str]],
        symbols: Sequence[str],
        most: int,
        *,
        exact: bool = False,
    ) -> None:
        states = {name: index for index, name in enumerate([*arcs, "end"])}
        self.most = most
        self.legal = np.array([[s in arcs.get(state, ()) for s in symbols] for state in states])
        self.following = np.full(self.legal.shape, len(arcs))
        for state, own in arcs.items():
            for symbol, target in own.items():
                self.following[states[state], symbols.index(symbol)] = states[target]
        drawn = self.legal / self.legal.sum(1, keepdims=True).clip(min=1)
        self.choices = np.zeros((most + 1, *drawn.shape))
        ends = np.eye(len(states))[-1]  # of each state, up to a factor: none is too small
        for left in range(1, most + 1):
            flow = drawn * ends[self.following]
            ends = flow.sum(1)
            self.choices[left] = flow / np.where(ends > 0, ends, 1)[:, None]
            if not exact:
                ends[-1] = 1
            ends /= ends.max()

    def strings(self, numbers: Numbers) -> tuple[Ids, Ids]:
        """Make strings of uniform random numbers `(B, most)`.

        Returns:
            ids `(B, T)`, 0 after the end of a string, and the symbols `(B,)` of each.
        """
        state, end = np.zeros(len(numbers), dtype=np.int64), len(self.legal) - 1
        ids = np.zeros(numbers.shape, dtype=np.int64)
        lengths = np.zeros(len(numbers), dtype=np.int64)
        for step in range(self.most):
            going = state != end
            if not going.any():
                return ids[:, :step], lengths
            bound = self.choices[self.most - step, state].cumsum(1)
            drawn = (numbers[:, step, None] * bound[:, -1:] >= bound).sum(1)
            ids[:, step] = np.where(going, drawn, 0)
            state = np.where(going, self.following[state, ids[:, step]], end)
            lengths += going
        return ids, lengths

    def costs(self, first: int) -> dict[str, float]:
        """Compute what the best predictors of a symbol score, in nats and as a share.

        `loss_entropy_rate` of who knows the grammar and all symbols before, and `loss` and
        `accuracy` of who knows the last symbol alone.

        Args:
            first: symbols of a string that are not predicted, 1 or more.
        """
        size = self.legal.shape[1]
        at = np.zeros((size, len(self.legal)))  # of each last symbol and state
        at[0, 0] = 1
        pairs, entropy = np.zeros((size, size)), 0.0
        for step in range(self.most):
            chosen = self.choices[self.most - step]
            flow = at[:, :, None] * chosen
            if step >= first:
                pairs += flow.sum(1)
                entropy -= (flow * np.log(np.where(chosen > 0, chosen, 1))).sum()
            at = np.zeros_like(at)
            np.add.at(at, (np.arange(size), self.following), flow.sum(0))
        return memoryless_scores(pairs) | {"loss_entropy_rate": float(entropy / pairs.sum())}
