"""Tasks whose random sequences have one of equally likely classes, named at the end."""

import math
from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor

from rnnlab.spec import Batch, Layout, Port, Split, Tokens
from rnnlab.tasks.base import Task
from rnnlab.tasks.recognition import label_batch


class Drawn(NamedTuple):
    """B sequences and their classes.

    Attributes:
        inputs: `(B, T)` ids or `(B, T, I)` numbers, 0 after the end.
        lengths: `(B,)` steps of each.
        classes: `(B,)` ids.
    """

    inputs: Tensor
    lengths: Tensor
    classes: Tensor


class LastAnswer(Task):
    """Read a sequence, and name its class at the last step; the floor is chance.

    In the encoder-decoder layout the source is the sequence, and the decoder answers in one step.

    Args:
        read: type of the inputs.
        classes: how many there are, equally likely.
    """

    stepwise = True
    scores_exact_match = False  # of one answer: the accuracy

    def __init__(self, layout: Layout, seed: int, *, read: Port, classes: int) -> None:
        super().__init__(layout, seed)
        self.spec = self.spec_of(read, Tokens(classes))
        self.floor = {"loss": math.log(classes), "accuracy": 1 / classes}

    @abstractmethod
    def draw(self, split: Split, index: int, batch_size: int, length: int | None) -> Drawn:
        """Draw batch `index` of a split; `length` replaces the configured length."""

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch of sequences, padded on the right."""
        drawn = self.draw(split, index, batch_size, length)
        inputs = drawn.inputs[:, : int(drawn.lengths.max())]
        return label_batch(self.layout, inputs, drawn.lengths, drawn.classes, everywhere=False)

    def answer_labels(self, ids: Tensor) -> list[str]:
        """Return the names of classes."""
        return [self.name(number) for number in ids.tolist()]

    def show(self, batch: Batch, output: Tensor) -> str:
        """Write a line per sequence: what is read, its class, and the answer if it is another."""
        read = batch.input if batch.source is None else batch.source
        known = batch.mask.flip(1).cumsum(1).flip(1) > 0  # up to the answer
        if batch.source_mask is not None:
            known = batch.source_mask
        claims = output.argmax(dim=2)
        lines = []
        for row in range(min(4, len(read))):
            asked = batch.mask[row]
            right, claim = (self.name(int(ids[row][asked][0])) for ids in (batch.target, claims))
            verdict = "" if claim == right else f"   claims {claim}  x"
            lines.append(f"{self.text(read[row][known[row]])}  {right}{verdict}")
        return "\n".join(lines)

    @abstractmethod
    def text(self, read: Tensor) -> str:
        """Write a sequence."""

    @abstractmethod
    def name(self, number: int) -> str:
        """Return the name of a class."""
