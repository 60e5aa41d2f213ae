"""A scorer that keeps tensors of each batch, for scores that no mean gives."""

from abc import abstractmethod
from typing import Any

from torch import Tensor

from rnnlab.spec import Batch
from rnnlab.tasks.base import Scorer, Task


class KeepingScorer(Scorer):
    """Adds up metrics over batches, and keeps what a class of its own scores at the end.

    Attributes:
        kept: what `keep` returned for each batch, on its device.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.kept: list[tuple[Tensor, ...]] = []

    @abstractmethod
    def keep(self, output: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """Return what is kept of a batch."""

    def update(self, output: Tensor, batch: Batch) -> None:
        """Score one batch, and keep what `keep` returns."""
        super().update(output, batch)
        self.kept.append(self.keep(output, batch))

    def parts(self) -> Any:
        """Return all sums and all that was kept."""
        kept = [tuple(part.cpu() for part in parts) for parts in self.kept]
        return {"means": super().parts(), "kept": kept}

    def merge(self, parts: Any) -> None:
        """Add the sums of another scorer, and what it kept."""
        super().merge(parts["means"])
        self.kept += parts["kept"]
