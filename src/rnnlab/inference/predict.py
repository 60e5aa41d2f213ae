"""Predictions for data of one's own."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import device_of, to_device
from rnnlab.inference.generate import free_run, reads_answers
from rnnlab.inference.sample import Decoding, answer_steps
from rnnlab.models.base import Model
from rnnlab.spec import Batch
from rnnlab.tasks.base import Task
from rnnlab.tasks.own_input import Cell, OwnInput

_PROBLEMS = 5  # lines that an error names


class Predictor:
    """A trained model that is asked about data of one's own.

    Args:
        model: the model.
        task: the task that it was trained on, which must be an `OwnInput`.
        decoding: settings of the decoding.
        length: most answered steps; `None` for the task's own number.
        batch_size: examples that are computed at once.
    """

    def __init__(
        self, model: Model, task: Task, decoding: Decoding, length: int | None, batch_size: int
    ) -> None:
        assert isinstance(task, OwnInput)
        self.model, self.task = model, task
        self.decoding, self.length, self.batch_size = decoding, length, batch_size

    def lines(
        self, numbered: Sequence[tuple[int, str]], key: str, path: str
    ) -> Iterator[list[Cell]]:
        """Return a row for each line; that of a blank line has empty cells.

        Args:
            numbered: the lines, each after its number in the file.
            key: the setting that named the file, for errors.
            path: of the file, for errors.

        Raises:
            ConfigError: the model can't read some lines.
        """
        examples = self._examples(numbered, key, path)
        rows = self.rows([example for example in examples if example is not None])
        blank: list[Cell] = [""] * len(self.task.predicted)
        return (blank if example is None else next(rows) for example in examples)

    def file(self, text: str, key: str, path: str) -> Iterator[list[Cell]]:
        """Return rows for the examples of a file.

        Raises:
            ConfigError: the model can't read it, or there are none.
        """
        examples = self.task.read_input(text, key, path)
        if not examples:
            raise ConfigError(f"{key}: {path} has nothing to answer")
        return self.rows(examples)

    def _examples(self, numbered: Sequence[tuple[int, str]], key: str, path: str) -> list[Any]:
        """Read the example of each line, `None` for a blank one."""
        examples: list[Any] = []
        problems = []
        for number, text in numbered:
            try:
                examples += self.task.read_input(text, key, path) if text.strip() else [None]
            except ConfigError as error:
                problems.append(f"{key}: line {number} of {path}: {error}")
        if problems:
            more = len(problems) - _PROBLEMS
            said = [*problems[:_PROBLEMS], *([f"... and {more} lines more"] if more > 0 else [])]
            raise ConfigError("\n".join(said))
        return examples

    @torch.no_grad()
    def rows(self, examples: Sequence[Any]) -> Iterator[list[Cell]]:
        """Yield rows for examples that the task has read."""
        waiting = iter(examples)
        while some := list(islice(waiting, self.batch_size)):
            batch = to_device(self.task.input_batch(some, self.length), device_of(self.model))
            yield from self.task.predictions(some, batch, *self._answers(batch))

    def _answers(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the answers, and the outputs if no answer is fed back."""
        if self.task.spec.feedback:
            steps = answer_steps(self.model, self.task, batch, self.decoding)
            return torch.stack(list(steps), dim=1), None
        if self.decoding != Decoding():
            raise ConfigError(
                "temperature, top_k, top_p, beam and seed must be left out: this task's answers "
                "don't depend on each other, and the likeliest of each step is taken"
            )
        outputs = free_run(self.model, batch) if reads_answers(self.model) else self.model(batch)[0]
        return outputs.argmax(dim=2), outputs
