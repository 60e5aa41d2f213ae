"""The learning rate schedulers of N members."""

from collections.abc import Sequence
from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from rnnlab.experiment.schedulers import MakeScheduler
from rnnlab.metric import Mode


class StackedScheduler:
    """Schedulers of N members, with the same settings but for the learning rate.

    They are torch's own, over an optimizer without parameters. If the learning rate depends on the
    number of updates only, one scheduler gives the factor of each member's configured rate; after
    validations each member has a scheduler of its own.

    Args:
        make: makes a scheduler.
        initial: the configured learning rates.
        total_steps: updates of the whole run.
        mode: whether a lower or a higher monitored metric is better.
    """

    def __init__(
        self, make: MakeScheduler, initial: Sequence[float], total_steps: int, mode: Mode
    ) -> None:
        self._initial = [float(rate) for rate in initial]
        self._common = make(_EmptyOptimizer(1.0), total_steps, mode)
        self.per_validation = isinstance(self._common, ReduceLROnPlateau)
        self._own = (
            [make(_EmptyOptimizer(rate), total_steps, mode) for rate in self._initial]
            if self.per_validation
            else []
        )

    @property
    def learning_rates(self) -> list[float]:
        """Each member's learning rate for the next update."""
        if self.per_validation:
            return [_learning_rate(scheduler) for scheduler in self._own]
        factor = _learning_rate(self._common)
        return [rate * factor for rate in self._initial]

    def after_update(self) -> None:
        """Step if the learning rate depends on the number of updates."""
        if not self.per_validation:
            self._common.step()

    def after_validation(self, scores: Sequence[float]) -> None:
        """Step if the learning rates depend on `scores`, the monitored metric of each member."""
        for scheduler, score in zip(self._own, scores, strict=False):  # empty if by updates
            scheduler.step(score)  # type: ignore[arg-type]

    def keep(self, members: Sequence[int]) -> None:
        """Drop all members but these."""
        self._initial = [self._initial[n] for n in members]
        self._own = [self._own[n] for n in members] if self._own else []

    def member_state(self, n: int) -> dict[str, Any]:
        """Return the `state_dict` of one member's scheduler."""
        if self.per_validation:
            return self._own[n].state_dict()
        return {
            **self._common.state_dict(),
            "base_lrs": [self._initial[n]],
            "_last_lr": [self.learning_rates[n]],
        }

    def load(self, states: Sequence[dict[str, Any]], learning_rates: Sequence[float]) -> None:
        """Restore the schedulers' states and the learning rates of all members."""
        if self.per_validation:
            for scheduler, state, rate in zip(self._own, states, learning_rates, strict=True):
                scheduler.load_state_dict(state)
                scheduler.optimizer.param_groups[0]["lr"] = rate
            return
        assert isinstance(self._common, LambdaLR)
        factor = self._common.lr_lambdas[0](states[0]["last_epoch"])
        self._common.load_state_dict({**states[0], "base_lrs": [1.0], "_last_lr": [factor]})
        self._common.optimizer.param_groups[0]["lr"] = factor


class _EmptyOptimizer(Optimizer):
    """An optimizer without parameters, whose learning rate a scheduler sets."""

    add_param_group = unwrap(Optimizer.add_param_group)  # see `without_compiler`

    def __init__(self, learning_rate: float) -> None:
        super().__init__([torch.nn.Parameter(torch.zeros(0))], {"lr": learning_rate})
        self._opt_called = True  # or torch warns about a scheduler before its optimizer

    def step(self, closure: Any = None) -> Any:
        """Do nothing; schedulers require that it is called."""


def _learning_rate(scheduler: Any) -> float:
    return float(scheduler.optimizer.param_groups[0]["lr"])
