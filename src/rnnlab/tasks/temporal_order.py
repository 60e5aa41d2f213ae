"""Temporal order: which of two symbols came first, told long after."""

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout, Split, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.last_answer import Drawn, LastAnswer
from rnnlab.tasks.lengths import Lengths

_SYMBOLS = "EabcdXYB"
_FIRST, _X, _LAST = 0, 5, 7
_WINDOWS = {  # where the relevant symbols stand, in percent of the steps
    2: ((10, 20), (50, 60)),
    3: ((10, 20), (33, 43), (66, 76)),
}
_LEAST = 3  # symbols between E and B, so that each relevant one has a place

Between = Annotated[PositiveInt, Ge(_LEAST)]


@stackable()
class TemporalOrder(LastAnswer):
    """Temporal order: name the class of a sequence by the order of its two relevant symbols.

    Hochreiter and Schmidhuber (1997), experiments 6a and 6b. Each relevant symbol is X or Y, the
    others are a to d at random, E is first and B last; the class is XX, XY, YX or YY:

        input    E c X a d b Y c d a B
        target   _ _ _ _ _ _ _ _ _ _ XY
        mask     . . . . . . . . . . x

    In the encoder-decoder layout the source is the sequence, and the decoder answers in one step.

    With the steps of the shortest sequence as 100, the relevant symbols stand at steps 10 to 20 and
    50 to 60, of three at 10 to 20, 33 to 43 and 66 to 76, and a sequence has 100 to 110 steps. The
    floor is chance.

    Args:
        num_relevant: how many relevant symbols there are; K have 2^K classes.
        length: symbols between E and B, 3 or more; a sequence has up to a tenth more.
    """

    lengths: Lengths
    written = _SYMBOLS

    def __init__(
        self, layout: Layout, seed: int, *, num_relevant: Literal[2, 3], length: Between
    ) -> None:
        super().__init__(layout, seed, read=Tokens(len(_SYMBOLS)), classes=2**num_relevant)
        self.lengths = Lengths(length, length)
        self.windows = _WINDOWS[num_relevant]

    def draw(self, split: Split, index: int, batch_size: int, length: int | None) -> Drawn:
        """Draw sequences; `length` are the symbols between E and B of the shortest."""
        rng = self.rng(split, index)
        length = self.lengths.given(length).most
        if length < _LEAST:
            raise ConfigError(f"length must be {_LEAST} or more, got {length}")
        steps, most = length + 2, self.longest(length)
        last = rng.integers(steps - 1, most, size=batch_size)
        ids = rng.integers(1, _X, size=(batch_size, most))
        second = rng.integers(2, size=(batch_size, len(self.windows)))  # Y, not X
        rows, step = np.arange(batch_size), np.arange(most)
        for number, window in enumerate(self.windows):
            low, high = (min(max(1, round(steps * share / 100)), length) for share in window)
            place = rng.integers(low, high, size=batch_size, endpoint=True)
            ids[rows, place] = _X + second[:, number]
        ids[:, 0], ids[rows, last] = _FIRST, _LAST
        inputs = np.where(step <= last[:, None], ids, 0)
        classes = (second << np.arange(len(self.windows))[::-1]).sum(1)
        return Drawn(*map(torch.from_numpy, (inputs, last + 1, classes)))

    def longest(self, length: int | None = None) -> int:
        """Count the steps of the longest sequence."""
        steps = self.lengths.given(length).most + 2
        return steps + round(0.1 * steps)

    def alignment(self, batch: Batch) -> Tensor | None:
        """The answer depends on every X and Y."""
        if batch.source is None:
            return None
        return ((batch.source == _X) | (batch.source == _X + 1))[:, None]

    def text(self, read: Tensor) -> str:
        """Write the symbols."""
        return "".join(self.labels(read))

    def name(self, number: int) -> str:
        """Return a class as its symbols: XY."""
        return f"{number:0{len(self.windows)}b}".replace("0", "X").replace("1", "Y")
