"""Scores of N members over a split, all in one pass."""

from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rnnlab.ensemble.batches import Batches, answered_steps, batched, member, pick
from rnnlab.ensemble.stacking import Stacked
from rnnlab.ensemble.unroll import answers_steps
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.generate import free_run, reads_answers
from rnnlab.models.base import Model
from rnnlab.spec import Batch, Split, Tokens
from rnnlab.tasks.base import Mean, Scorer, Task


class Scores:
    """What one member scored.

    Args:
        values: metric -> value.
        breakdown: as `Scorer.breakdown`.
    """

    def __init__(self, values: dict[str, float], breakdown: dict[str, dict[str, float]]) -> None:
        self.values = values
        self.breakdown = breakdown


@torch.no_grad()
def score(
    stacked: Stacked, flat: Tensor, experiments: Sequence[Experiment], split: Split
) -> list[Scores]:
    """Do for N members what `Evaluator` does for one.

    Args:
        stacked: the models.
        flat: `(N, P)`, their weights.
        experiments: theirs.
        split: what they are scored on.
    """
    batches, tasks = Batches(experiments), [experiment.task for experiment in experiments]
    free = tasks[0].scores_free_run and reads_answers(stacked.model)
    scorers = {"": _Scorers(tasks)} | ({"free_": _Scorers(tasks)} if free else {})
    picks = tasks[0].stepwise and answers_steps(stacked.model)
    stacked.model.eval()
    for index, size in batches.held_out(split):
        batch = batches.sample(split, index, size)
        if free:
            output = stacked(free_run, flat, batch, shared=batches.shared)
            scorers["free_"].update(output, batch, shared=batches.shared)
        steps = answered_steps(batch) if picks else None
        wanted = pick(batch, steps)
        output = stacked(forward, flat, wanted, shared=batches.shared, steps=steps)
        scorers[""].update(output, wanted, shared=batches.shared)
    stacked.model.train()
    found = {prefix: scorer.compute() for prefix, scorer in scorers.items()}
    honest = scorers["free_" if free else ""].breakdowns()
    return [
        Scores(
            {f"{prefix}{name}": v for prefix in found for name, v in found[prefix][n].items()},
            honest[n],
        )
        for n in range(len(tasks))
    ]


def forward(model: Model, batch: Batch) -> Tensor:
    """Give a model's outputs alone."""
    return model(batch)[0]


class _Scorers:
    """A task's scorer for each member; one for all of them where its metrics can be stacked."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        scorers = [task.scorer() for task in tasks[:1]]
        self._together = _StackedMeans(tasks[0]) if type(scorers[0]) is Scorer else None
        self._own = [task.scorer() for task in tasks]

    def update(self, output: Tensor, batch: Batch, *, shared: bool) -> None:
        if self._together is not None and self._together.update(output, batch, shared=shared):
            return
        self._together = None
        for n, scorer in enumerate(self._own):
            scorer.update(output[n], member(batch, n, shared=shared))

    def compute(self) -> list[dict[str, float]]:
        if self._together is not None:
            return self._together.compute(len(self._tasks))
        return [scorer.compute() for scorer in self._own]

    def breakdowns(self) -> list[dict[str, dict[str, float]]]:
        return [scorer.breakdown() for scorer in self._own]


class _StackedMeans:
    """Adds up the metrics of N members, where the task can score them under `vmap`."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._totals: dict[str, list[Tensor]] = {}

    def update(self, output: Tensor, batch: Batch, *, shared: bool) -> bool:
        """Score one batch; tells whether the task could."""
        means = metrics(self._task, output, batch, shared=shared)
        if means is None:
            return False
        for name, (value, weight) in means.items():
            total = self._totals.setdefault(
                name, [torch.zeros_like(value), torch.zeros_like(weight)]
            )
            total[0] = total[0] + torch.where(weight > 0, value * weight, 0)
            total[1] = total[1] + weight
        return True

    def compute(self, count: int) -> list[dict[str, float]]:
        found: list[dict[str, float]] = [{} for _ in range(count)]
        for name, (total, weight) in self._totals.items():
            for n, (value, counted) in enumerate(
                zip((total / weight).tolist(), weight.tolist(), strict=True)
            ):
                if counted:
                    found[n][name] = value
        return found


def loss(task: Task, output: Tensor, batch: Batch) -> Tensor:
    """Give `task.loss`; symbols stand before sequences in it, which is much faster in a stack."""
    if type(task).loss is not Task.loss or not isinstance(task.spec.target, Tokens):
        return task.loss(output, batch)
    target = batch.target.masked_fill(~batch.mask, -100).flatten()
    return F.cross_entropy(output.flatten(0, 1).t()[None], target[None], ignore_index=-100)


def metrics(task: Task, output: Tensor, batch: Batch, *, shared: bool) -> dict[str, Mean] | None:
    """Give `task.metrics` of N members, each value and weight `(N,)`.

    `None` where the task's way of scoring has no stacked form: it picks by a mask, say.
    """

    def one(output: Tensor, batch: Batch) -> Any:
        return {name: tuple(mean) for name, mean in fast.metrics(output, batch).items()}

    fast = copy(task)
    fast.loss = partial(loss, task)  # type: ignore[method-assign]
    try:
        found = torch.func.vmap(one, in_dims=(0, batched(batch, shared=shared)))(output, batch)
    except RuntimeError:
        return None
    return {name: Mean(value, weight) for name, (value, weight) in found.items()}
