"""Scores over a split, teacher-forced and free-running."""

from collections.abc import Iterable

import torch
from torch import Tensor

from rnnlab.inference.generate import free_run, reads_answers
from rnnlab.models.base import Model
from rnnlab.process.processes import is_alone, of_each
from rnnlab.spec import Batch, map_batch
from rnnlab.state import State, detach, where
from rnnlab.tasks.base import Scorer, Task


class Evaluator:
    """Scores batches in order, carrying the state where they go on.

    Under teacher forcing a metric has its plain name. Where the model feeds its own answers back
    and the task scores that, the same metric free running is `free_` and that name: the honest
    one, for a teacher-forced loss can be a thousand times better.
    """

    def __init__(self, model: Model, task: Task) -> None:
        self.model = model
        self.task = task
        self.forced = task.scorer()
        self.free = task.scorer() if task.scores_free_run and reads_answers(model) else None
        self.carried: State | None = None

    @torch.no_grad()
    def update(self, batch: Batch) -> Tensor:
        """Score one batch; gives the outputs to show, free-running where that is scored."""
        output, state = self.model(batch, resume(self.model, batch, self.carried))
        self.carried = None if batch.first is None else detach(state)
        self.forced.update(output, batch)
        if self.free is not None:
            output = free_run(self.model, batch)
            self.free.update(output, batch)
        return output

    def gather(self) -> None:
        """Take in what all processes scored that share the batches; all must call it."""
        if is_alone():
            return
        shares = of_each([scorer.parts() for scorer in self._scorers()])
        # Each adds all up in one order, so that all choose the same weights by the same numbers.
        self.forced, self.free = self.task.scorer(), self.free and self.task.scorer()
        for share in shares:
            for scorer, parts in zip(self._scorers(), share, strict=True):
                scorer.merge(parts)

    def compute(self) -> dict[str, float]:
        """Give every metric over all that was scored."""
        scores = self.forced.compute()
        if self.free is not None:
            scores |= {f"free_{name}": value for name, value in self.free.compute().items()}
        return scores

    def breakdown(self) -> dict[str, dict[str, float]]:
        """Give scores by some property of the sequences, where the task has such; for results."""
        return (self.free or self.forced).breakdown()

    def _scorers(self) -> list[Scorer]:
        return [scorer for scorer in (self.forced, self.free) if scorer is not None]


def resume(model: Model, batch: Batch, carried: State | None) -> State | None:
    """Give the state before a batch: the carried one but in rows that begin a sequence.

    `None` where all rows begin one, which is the model's own beginning.
    """
    if carried is None or batch.first is None:
        return None
    return where(batch.first, model.begin(batch), carried)


@torch.no_grad()
def evaluate(model: Model, task: Task, batches: Iterable[Batch]) -> Evaluator:
    """Score all batches, on the model's device."""
    training = model.training
    model.eval()
    evaluator = Evaluator(model, task)
    for batch in batches:
        evaluator.update(to_device(batch, device_of(model)))
    model.train(training)
    return evaluator


def device_of(model: Model) -> torch.device:
    """Tell where a model lies."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move every tensor of a batch."""
    return map_batch(lambda part: part.to(device), batch)
