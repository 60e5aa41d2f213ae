"""Letters: consonants come at random, each with vowels of its own."""

from typing import ClassVar

import numpy as np
from torch import Tensor

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout
from rnnlab.stackable import stackable
from rnnlab.tasks.coded_text import CodedText, Ids

# Consonant, vowel, interrupted, high, back, voiced.
_CODES = {
    "b": (1.0, 0.0, 1.0, 0.0, 0.0, 1.0),
    "d": (1.0, 0.0, 1.0, 1.0, 0.0, 1.0),
    "g": (1.0, 0.0, 1.0, 0.0, 1.0, 1.0),
    "a": (0.0, 1.0, 0.0, 0.0, 1.0, 1.0),
    "i": (0.0, 1.0, 0.0, 1.0, 0.0, 1.0),
    "u": (0.0, 1.0, 0.0, 1.0, 1.0, 1.0),
}
_WORDS = ("ba", "dii", "guuu")
_VOWEL = 1  # the number of a code that is 1 for vowels


@stackable(carries=True)
class Letters(CodedText):
    """Letters: predict the next letter of `ba`, `dii` and `guuu` in random order.

    Elman (1990), Finding structure in time. A letter is six numbers, the error is squared:

        letters  d i i g u u u b a d
        target   i i g u u u b a d .
        vowel    x x   x x x   x

    Of a consonant three numbers are known and two unknown, as b, d and g differ in them:
    `loss_consonants` can be 2/27 at best and `loss_vowels` 0, by who counts the vowels. See
    `CodedText` for streams and windows.

    Args:
        size: consonants of a text.
        length: letters of a window, after which weights are updated.
        shuffled: whether the letters are put in random order, the control.
    """

    higher_is_better: ClassVar = {
        **CodedText.higher_is_better,
        "loss_vowels": False,
        "loss_consonants": False,
    }

    def __init__(
        self, layout: Layout, seed: int, *, size: PositiveInt, length: PositiveInt, shuffled: bool
    ) -> None:
        super().__init__(layout, seed, codes=_CODES, size=size, window=length, shuffled=shuffled)

    def text(self, rng: np.random.Generator, size: int) -> Ids:
        """Draw consonants, and put their vowels behind them."""
        text = "".join(_WORDS[word] for word in rng.integers(len(_WORDS), size=size))
        return np.array([self.written.index(letter) for letter in text])

    def classes(self, batch: Batch) -> dict[str, Tensor]:
        """Return which targets are vowels and which consonants."""
        vowel = batch.target[..., _VOWEL] > 0.5
        return {"vowels": vowel, "consonants": ~vowel}
