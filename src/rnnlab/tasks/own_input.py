"""Tasks that answer about data of one's own, for `rnnlab-predict`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from rnnlab.spec import Batch
from rnnlab.tasks.base import Task

Cell = str | int | float


class OwnInput(ABC):
    """What a task adds whose model can be asked about a file, or about lines of text.

    Attributes:
        by_line: whether each line of a text is an example; otherwise a file holds all of them.
        predicted: names of the cells of a row of `predictions`.
    """

    by_line: ClassVar[bool] = True
    predicted: Sequence[str] = ("prediction",)

    @abstractmethod
    def read_input(self, text: str, key: str, path: str) -> list[Any]:
        """Read the example that a line is, or the examples of a file.

        Args:
            text: the line without its end, or the content of the file.
            key: the setting that named the file, for errors.
            path: of the file, for errors.

        Raises:
            ConfigError: the model can't read it.
        """

    @abstractmethod
    def input_batch(self, examples: Sequence[Any], length: int | None) -> Batch:
        """Make a batch whose answers are unknown.

        Args:
            examples: some of those that were read.
            length: most answered steps; `None` for the task's own number.

        Raises:
            ConfigError: the number of answers can't be chosen.
        """

    def predictions(
        self,
        examples: Sequence[Any],  # noqa: ARG002
        batch: Batch,
        answers: Tensor,
        outputs: Tensor | None,  # noqa: ARG002
    ) -> list[list[Cell]]:
        """Return rows of cells, by line one for each example; by default `Task.answer_texts`.

        Args:
            examples: those of the batch.
            batch: made by `input_batch`.
            answers: `(B, T)` ids or `(B, T, O)` numbers.
            outputs: `(B, T, O)`; `None` of a task whose answers are fed back.
        """
        assert isinstance(self, Task)
        return [[text] for text in self.answer_texts(batch, answers)]
