"""Metrics over a split, teacher-forced and free-running."""

from collections.abc import Iterable

import torch
from torch import Tensor

from rnnlab.inference.generate import free_run, reads_answers
from rnnlab.models.base import Model
from rnnlab.process.ddp import all_gather, is_single_process
from rnnlab.spec import Batch, map_batch
from rnnlab.state import State, detach, where
from rnnlab.tasks.base import Scorer, Task


class Evaluator:
    """Scores batches in order, and carries the state from batch to batch of a stream.

    The metrics under teacher forcing have the names that the task gives them; those in free running
    have the prefix `free_`. Free running is scored if the model reads its own answers and the task
    sets `scores_free_run`: a teacher-forced loss can be a thousand times better.
    """

    def __init__(self, model: Model, task: Task) -> None:
        self.model = model
        self.task = task
        self.forced = task.scorer()
        self.free = task.scorer() if task.scores_free_run and reads_answers(model) else None
        self.carried: State | None = None

    @torch.no_grad()
    def update(self, batch: Batch) -> Tensor:
        """Score one batch and return the outputs, those of free running if that is scored."""
        output, state = self.model(batch, state_before(self.model, batch, self.carried))
        self.carried = None if batch.first is None else detach(state)
        self.forced.update(output, batch)
        if self.free is not None:
            output = free_run(self.model, batch)
            self.free.update(output, batch)
        return output

    def gather(self) -> None:
        """Merge the scores of all processes that share the batches; each of them must call it."""
        if is_single_process():
            return
        shares = all_gather([scorer.parts() for scorer in self._scorers()])
        # All processes add in the same order, so that they agree bit for bit on the best weights.
        self.forced, self.free = self.task.scorer(), self.free and self.task.scorer()
        for share in shares:
            for scorer, parts in zip(self._scorers(), share, strict=True):
                scorer.merge(parts)

    def compute(self) -> dict[str, float]:
        """Return every metric over all scored batches."""
        scores = self.forced.compute()
        if self.free is not None:
            scores |= {f"free_{name}": value for name, value in self.free.compute().items()}
        return scores

    def breakdown(self) -> dict[str, dict[str, float]]:
        """Return scores by a property of the sequences, as `Scorer.breakdown` does."""
        return (self.free or self.forced).breakdown()

    def _scorers(self) -> list[Scorer]:
        return [scorer for scorer in (self.forced, self.free) if scorer is not None]


def state_before(model: Model, batch: Batch, carried: State | None) -> State | None:
    """Return the state before a batch: the carried one, reset in rows that begin a sequence.

    `None`, with which a model calls `begin`, if all rows begin one.
    """
    if carried is None or batch.first is None:
        return None
    return where(batch.first, model.begin(batch), carried)


@torch.no_grad()
def evaluate(model: Model, task: Task, batches: Iterable[Batch]) -> Evaluator:
    """Score all batches in evaluation mode, on the model's device."""
    training = model.training
    model.eval()
    evaluator = Evaluator(model, task)
    for batch in batches:
        evaluator.update(to_device(batch, device_of(model)))
    model.train(training)
    return evaluator


def device_of(model: Model) -> torch.device:
    """Return the device of a model's parameters."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move every tensor of a batch."""
    return map_batch(lambda part: part.to(device), batch)
