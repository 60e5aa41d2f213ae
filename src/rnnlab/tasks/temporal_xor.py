"""Temporal XOR: every third bit of a stream follows from the two before it."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout
from rnnlab.stackable import stackable
from rnnlab.tasks.coded_text import CodedText, Ids


@stackable(carries=True)
class TemporalXor(CodedText):
    """Temporal XOR: predict the next bit of a stream whose every third bit is an XOR.

    Elman (1990), Finding structure in time: two bits are random, and the third is the XOR of both.

        input    1 0 1 0 0 0 1 1 0
        target   0 1 0 0 0 1 1 0 .
        xor        x     x     x

    The input is one number, the error is squared. Of two bits in three nothing is known, so that no
    answer is better than .5 and `loss_others` than 0.25; `loss_third` can be 0. See `CodedText` for
    streams and windows.

    Args:
        size: triples of bits of a text.
        length: triples of a window, after which weights are updated.
        shuffled: whether the bits are put in random order, the control.
    """

    period = 3
    higher_is_better: ClassVar = {
        **CodedText.higher_is_better,
        "loss_third": False,
        "loss_others": False,
    }

    def __init__(
        self, layout: Layout, seed: int, *, size: PositiveInt, length: PositiveInt, shuffled: bool
    ) -> None:
        codes = {"0": (0.0,), "1": (1.0,)}
        window = self.period * length
        super().__init__(layout, seed, codes=codes, size=size, window=window, shuffled=shuffled)

    def text(self, rng: np.random.Generator, size: int) -> Ids:
        """Draw triples of bits."""
        pairs = rng.integers(2, size=(size, 2))
        return np.column_stack([pairs, pairs[:, 0] ^ pairs[:, 1]]).ravel()

    def classes(self, batch: Batch) -> dict[str, Tensor]:
        """Return which targets are the third bits of triples, by their place in the window."""
        before = 1 if batch.source is None else batch.source.shape[1]
        place = torch.arange(before, before + batch.mask.shape[1], device=batch.mask.device)
        third = (place % self.period == self.period - 1).expand_as(batch.mask)
        return {"third": third, "others": ~third}
