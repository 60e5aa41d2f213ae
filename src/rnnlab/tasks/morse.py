"""Morse code: a line that is on and off, and the letter that it has said at its end."""

from string import ascii_uppercase

import numpy as np
import torch
from torch import Tensor

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout, Reals, Split, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.memoryless import memoryless_scores
from rnnlab.tasks.shown_by_row import ShownByRow, aligned

_CODES = (
    *(".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--"),
    *("-.", "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--.."),
)  # of A to Z
_SIGNALS = {".": (1, 0), "-": (1, 1, 0)}
_ANSWERS = "." + ascii_uppercase  # the first before a letter has ended


@stackable()
class Morse(ShownByRow):
    """Morse code: read dots and dashes, and say at the end of a letter which one it was.

    Fahlman (1991), The recurrent cascade-correlation architecture. A dot is 1 0, a dash 1 1 0, and
    a further 0 ends the letter. Up to there the answer is that none has ended:

        input    1 1 0 1 0 0
        target   . . . . . N
        mask     x x x x x x

    In the encoder-decoder layout the source is the signal, and the decoder, whose inputs are zeros,
    gives the same answers.

    Of the letters in a batch none comes twice before each has come once, so that 26 rows are the
    alphabet. The floor is the best answer from the input of the step alone.

    Args:
        length: most dots and dashes of a letter, 1 to 4: 1 is E and T, 2 adds A, I, M and N. A
            curriculum of it gives lessons.
    """

    lengths: Lengths
    stepwise = True

    def __init__(self, layout: Layout, seed: int, *, length: PositiveInt) -> None:
        super().__init__(layout, seed)
        self.lengths = Lengths(1, length)
        signals = [[on for mark in code for on in _SIGNALS[mark]] + [0] for code in _CODES]
        self._marks = np.array([len(code) for code in _CODES])
        self._steps = np.array([len(signal) for signal in signals])
        self._signals = np.array([s + [0] * (self._steps.max() - len(s)) for s in signals])
        self.spec = self.spec_of(Reals(1), Tokens(len(_ANSWERS)))
        counts = np.zeros((2, len(_ANSWERS)))  # of inputs and answers, over the alphabet
        letters = self._letters()
        counts[1, 0] = self._signals[letters].sum()
        counts[0, 0] = (self._steps[letters] - 1).sum() - counts[1, 0]
        counts[0, 1 + letters] = 1
        self.floor = memoryless_scores(counts)

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch of letters, padded on the right."""
        letters = self._letters(length)
        rounds = np.tile(letters, (-(-batch_size // len(letters)), 1))
        drawn = self.rng(split, index).permuted(rounds, axis=1).ravel()[:batch_size]
        steps, last = np.arange(self._steps[drawn].max()), self._steps[drawn, None] - 1
        line = torch.from_numpy(self._signals[drawn, : len(steps)]).float()[..., None]
        target = torch.from_numpy(np.where(steps == last, 1 + drawn[:, None], 0))
        mask = torch.from_numpy(steps <= last)
        if self.layout == "stream":
            return Batch(line, target, mask)
        return Batch(torch.zeros_like(line), target, mask, line, mask.clone())

    def _letters(self, length: int | None = None) -> np.ndarray:
        """Return the numbers, from 0, of the letters with at most so many dots and dashes."""
        return np.flatnonzero(self._marks <= self.lengths.given(length).most)

    def longest(self, length: int | None = None) -> int:
        """Return the most steps of a letter."""
        return int(self._steps[self._letters(length)].max())

    def labels(self, ids: Tensor) -> list[str]:
        """Return 1 where the line is on."""
        return [f"{value:.0f}" for value in ids[:, 0].tolist()]

    def answer_labels(self, ids: Tensor) -> list[str]:
        """Return the letters, and `.` for none."""
        return [_ANSWERS[i] for i in ids.tolist()]

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align signals, the letters at their ends, and the model's answers where they differ."""
        read = batch.input if batch.source is None else batch.source
        asked = batch.mask[row]
        columns = {"input": self.labels(read[row][asked])}
        for name, ids in (("target", batch.target[row]), ("answer", output[row].argmax(dim=1))):
            columns[name] = self.answer_labels(ids[asked])
        if columns["answer"] == columns["target"]:
            del columns["answer"]
        return aligned({name: " ".join(cells) for name, cells in columns.items()})
