"""A scorer of answers that are a sequence of symbols, by edit distance."""

from collections.abc import Callable, Sequence

from torch import Tensor

from rnnlab.spec import Batch
from rnnlab.tasks.base import Task
from rnnlab.tasks.keeping_scorer import KeepingScorer
from rnnlab.tasks.text_scores import error_rate


class ErrorScorer(KeepingScorer):
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

    def keep(self, output: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """Return the answers, the right ones, and which steps are answered."""
        return output.argmax(dim=2), batch.target, batch.mask

    def compute(self) -> dict[str, float]:
        """Return the means and the error rate."""
        claims, rights = [], []
        for output, target, mask in self.kept:
            for said, right, asked in zip(output.cpu(), target.cpu(), mask.cpu(), strict=True):
                claims.append(self._symbols(said[asked].tolist()))
                rights.append(self._symbols(right[asked].tolist()))
        return super().compute() | {self._name: error_rate(claims, rights)}
