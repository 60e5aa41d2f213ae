"""Reber's grammar, and embedded in two branches whose first symbol comes again near the end."""

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Le
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout, Split, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.grammar import Grammar
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.shown_by_row import ShownByRow, aligned

_SYMBOLS = "BTPSXVE"
_ARCS = {  # state -> symbol -> next state, of Reber (1967)
    "0": {"B": "1"},
    "1": {"T": "2", "P": "3"},
    "2": {"S": "2", "X": "4"},
    "3": {"T": "3", "V": "5"},
    "4": {"X": "3", "S": "6"},
    "5": {"P": "4", "V": "6"},
    "6": {"E": "end"},
}
_SHORTEST = 3  # symbols between B and E: TXS, PVV

Symbols = Annotated[PositiveInt, Ge(_SHORTEST), Le(1000)]


@stackable()
class Reber(ShownByRow):
    """Embedded Reber grammar: predict the next symbol of a string.

    Reber (1967) for the grammar; embedded as in Cleeremans, Servan-Schreiber and McClelland (1989)
    and Hochreiter and Schmidhuber (1997), experiment 1. Between B and T or P, drawn first, and the
    same T or P and E stands a string of Reber's grammar, whose forks are equally likely:

        input    B T B P V V E T
        target   T B P V V E T E
        mask     x x x x x x x x

    In the encoder-decoder layout the source is the first two symbols, the second is the decoder's
    first input, and the third its first answer.

    Metrics: `legal`, the share of steps at which no illegal symbol is ahead of a legal one, and
    `legal_strings`, that of strings with no other step, the criterion of 1997; `second_last`, the
    accuracy on the last but one symbol of a string, where T or P must be remembered.

    The floor is the best answer from the last symbol alone, and `second_last` by chance. No loss on
    average is below `loss_entropy_rate`, since forks can't be foreseen.

    Args:
        embedded: whether the strings are embedded; else they are Reber's, without `second_last`.
        length: most symbols that Reber's grammar draws, between its B and E, 3 or more; longer
            strings don't occur. With a `length` in `sample` all strings have as many.
    """

    lengths: Lengths
    written = _SYMBOLS
    scores_exact_match = False  # forks can't be foreseen
    scores_free_run = False
    higher_is_better: ClassVar = {
        **Task.higher_is_better,
        "legal": True,
        "legal_strings": True,
        "second_last": True,
    }

    def __init__(self, layout: Layout, seed: int, *, embedded: bool, length: Symbols) -> None:
        super().__init__(layout, seed)
        self.embedded = embedded
        self.lengths = Lengths(_SHORTEST, length)
        self.symbols = tuple(_SYMBOLS)
        self._given = 1 if layout == "stream" else 2  # symbols that are not predicted
        self._grammar = self._grammar_of(length)
        self._legal = torch.from_numpy(self._grammar.legal)
        self._following = torch.from_numpy(self._grammar.following)
        symbols = Tokens(len(_SYMBOLS))
        self.spec = self.spec_of(symbols, symbols, feedback=True)
        self.floor = self._grammar.costs(self._given)
        if embedded:
            self.floor |= {"second_last": 0.5}

    def _grammar_of(self, length: int, *, exact: bool = False) -> Grammar:
        """Return the grammar of strings of which Reber's grammar draws at most `length` symbols."""
        arcs = _embed() if self.embedded else _ARCS
        return Grammar(arcs, _SYMBOLS, length + self._more, exact=exact)

    @property
    def _more(self) -> int:
        """The symbols of a string beside those that `length` counts."""
        return 6 if self.embedded else 2

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch of strings, padded on the right."""
        grammar = self._grammar
        if length is not None:
            if length < _SHORTEST:
                raise ConfigError(f"length must be {_SHORTEST} or more, got {length}")
            grammar = self._grammar_of(length, exact=True)
        numbers = self.rng(split, index).random((batch_size, grammar.most))
        ids, lengths = map(torch.from_numpy, grammar.strings(numbers))
        before = self._given
        mask = torch.arange(before, ids.shape[1]) < lengths[:, None]
        batch = Batch(ids[:, before - 1 : -1].where(mask, 0), ids[:, before:], mask)
        if self.layout == "stream":
            return batch
        source = ids[:, :before]
        return batch._replace(source=source, source_mask=torch.ones_like(source, dtype=torch.bool))

    def longest(self, length: int | None = None) -> int:
        """Count the symbols that a model reads of the longest string."""
        if self.layout == "encoder_decoder":
            return self._given
        return self.lengths.given(length).most + self._more - 1

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Score by legal symbols, and the last but one symbol of each string."""
        scores = super().metrics(output, batch)
        right = self._right(output, batch)
        whole = (right | ~batch.mask).all(dim=1)
        rows = torch.ones_like(whole).sum()
        scores["legal"] = Mean((right & batch.mask).sum() / batch.mask.sum(), batch.mask.sum())
        scores["legal_strings"] = Mean(whole.sum() / rows, rows)
        if self.embedded:
            steps = batch.mask.cumsum(dim=1)
            asked = batch.mask & (steps == steps[:, -1:] - 1)
            there = asked & (output.argmax(dim=2) == batch.target)
            scores["second_last"] = Mean(there.sum() / asked.sum(), asked.sum())
        return scores

    def _right(self, output: Tensor, batch: Batch) -> Tensor:
        """Return at which steps `(B, T)` no illegal symbol is ahead of a legal one."""
        legal = self._legal.to(output.device)[self._states(batch)]
        least = output.masked_fill(~legal, torch.inf).amin(dim=2)
        return least >= output.masked_fill(legal, -torch.inf).amax(dim=2)

    def _states(self, batch: Batch) -> Tensor:
        """Return the state of the grammar `(B, T)` after each input."""
        following = self._following.to(batch.input.device)
        state = torch.zeros_like(batch.input[:, 0])
        if batch.source is not None:
            state = following[state, batch.source[:, 0]]
        states = []
        for symbol in batch.input.unbind(1):
            state = following[state, symbol]
            states.append(state)
        return torch.stack(states, dim=1)

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align inputs, next symbols and answers, with a mark below what is not legal."""
        here, right = batch.mask[row], self._right(output, batch)[row]
        named = {"input": batch.input[row], "target": batch.target[row]}
        named["answer"] = output[row].argmax(dim=1)
        lines = {name: " ".join(self.labels(ids[here])) for name, ids in named.items()}
        if not right[here].all():
            lines["illegal"] = " ".join("." if good else "x" for good in right[here].tolist())
        return aligned(lines)

    def show_answers(self, batch: Batch, answers: Tensor) -> str:
        """Write the strings that a model generates, and where they leave the grammar."""
        lines = []
        legal, following = self._grammar.legal, self._grammar.following
        for row in range(len(answers)):
            start = batch.input[row, :1] if batch.source is None else batch.source[row]
            ids, state, text = [*start.tolist(), *answers[row].tolist()], 0, ""
            while len(text) < len(ids) and legal[state, ids[len(text)]]:
                state = following[state, ids[len(text)]]
                text += _SYMBOLS[ids[len(text)]]
            ended = state == len(legal) - 1
            rest = "" if ended else "".join(_SYMBOLS[i] for i in ids[len(text) :])
            lines.append(text + (f" | {rest}   illegal from | on" if rest else ""))
        return "\n".join(lines)


def _embed() -> dict[str, dict[str, str]]:
    """Return the arcs of two branches, each with Reber's grammar between two of its symbols."""
    arcs = {"start": {"B": "fork"}, "fork": {"T": "T0", "P": "P0"}}
    for branch in "TP":
        for state, own in _ARCS.items():
            arcs[branch + state] = {symbol: branch + target for symbol, target in own.items()}
        arcs[f"{branch}end"] = {branch: "last"}
    return arcs | {"last": {"E": "end"}}
