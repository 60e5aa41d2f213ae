"""Tasks of which a person sees each sequence as a text."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from PIL import Image
from torch import Tensor

from rnnlab.spec import Batch
from rnnlab.tasks.base import Task


class ShownByRow(Task):
    """A task whose `show` writes the first sequences of a batch, each as a text of its own.

    Attributes:
        shown_rows: most sequences that are shown.
    """

    shown_rows: ClassVar[int] = 4

    @abstractmethod
    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Write one sequence of a batch beside the model's outputs `(B, T, O)`."""

    def show(self, batch: Batch, output: Tensor) -> str | Image.Image:
        """Write a few sequences; texts of several lines have an empty one between them."""
        rows = range(min(self.shown_rows, len(output)))
        texts = [self.show_row(batch, output, row) for row in rows]
        return ("\n\n" if "\n" in "".join(texts) else "\n").join(texts)


def aligned(lines: Mapping[str, str]) -> str:
    """Write lines below each other, each after its name."""
    return "\n".join(f"{name:<8}{line}" for name, line in lines.items())
