"""Tasks whose random sequences have one of equally likely classes, named at the end."""

import math
from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor

from rnnlab.spec import Batch, Layout, Port, Split, Tokens
from rnnlab.tasks.recognition import label_batch, what_is_read
from rnnlab.tasks.shown_by_row import ShownByRow


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


class LastAnswer(ShownByRow):
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

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Write what is read, its class, and the answer if it is another."""
        asked = batch.mask[row]
        answers = (batch.target[row], output[row].argmax(dim=1))
        right, claim = (self.name(int(ids[asked])) for ids in answers)
        verdict = "" if claim == right else f"   claims {claim}  x"
        return f"{self.text(what_is_read(batch, row))}  {right}{verdict}"

    @abstractmethod
    def text(self, read: Tensor) -> str:
        """Write a sequence."""

    @abstractmethod
    def name(self, number: int) -> str:
        """Return the name of a class."""
