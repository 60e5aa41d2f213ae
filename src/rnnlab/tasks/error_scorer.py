"""A scorer of answers that are a sequence of symbols, by edit distance."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from rnnlab.spec import Batch
from rnnlab.tasks.base import Scorer, Task
from rnnlab.tasks.text_scores import error_rate


class ErrorScorer(Scorer):
    """Adds an error rate: edits per symbol of the right answers.

    An answer is read to its end, or to the length of the right one with its end.

    Args:
        task: with tokens as answers.
        name: of the metric.
        symbols: gives the symbols of an answer that count, from its ids.
    """

    def __init__(
        self, task: Task, name: str, symbols: Callable[[Sequence[int]], Sequence[str]]
    ) -> None:
        super().__init__(task)
        self._name, self._symbols = name, symbols
        self._answers: list[tuple[Tensor, ...]] = []

    def update(self, output: Tensor, batch: Batch) -> None:
        """Score one batch, and keep its answers."""
        super().update(output, batch)
        self._answers.append((output.argmax(dim=2), batch.target, batch.mask))

    def parts(self) -> Any:
        """Return the sums and all answers."""
        answers = [tuple(part.cpu() for part in answer) for answer in self._answers]
        return {"means": super().parts(), "answers": answers}

    def merge(self, parts: Any) -> None:
        """Add the sums and answers of another scorer."""
        super().merge(parts["means"])
        self._answers += parts["answers"]

    def compute(self) -> dict[str, float]:
        """Return the means and the error rate."""
        claims, rights = [], []
        for output, target, mask in self._answers:
            for said, right, asked in zip(output.cpu(), target.cpu(), mask.cpu(), strict=True):
                claims.append(self._symbols(said[asked].tolist()))
                rights.append(self._symbols(right[asked].tolist()))
        return super().compute() | {self._name: error_rate(claims, rights)}
