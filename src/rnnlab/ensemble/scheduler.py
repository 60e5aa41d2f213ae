"""The learning rate of each member over its run."""

from collections.abc import Sequence
from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from rnnlab.experiment.schedulers import MakeScheduler
from rnnlab.metric import Mode


class Rates:
    """The members' learning rates, under schedules with one and the same settings.

    Each member's schedule is torch's own, over an optimizer of nothing. One that is a function of
    the number of updates is asked once for all: it gives a factor of each member's own rate.

    Args:
        make: makes a schedule.
        initial: the rates as configured.
        total_steps: updates of the whole run.
        mode: of the monitored metric.
    """

    def __init__(
        self, make: MakeScheduler, initial: Sequence[float], total_steps: int, mode: Mode
    ) -> None:
        self._initial = [float(rate) for rate in initial]
        self._lead = make(_Nothing(1.0), total_steps, mode)
        self.per_validation = isinstance(self._lead, ReduceLROnPlateau)
        self._own = (
            [make(_Nothing(rate), total_steps, mode) for rate in self._initial]
            if self.per_validation
            else []
        )

    @property
    def now(self) -> list[float]:
        """Each member's rate for the next update."""
        if self.per_validation:
            return [_rate(schedule) for schedule in self._own]
        factor = _rate(self._lead)
        return [rate * factor for rate in self._initial]

    def after_update(self) -> None:
        """Take a step of a schedule by updates."""
        if not self.per_validation:
            self._lead.optimizer.step()  # torch warns where a schedule comes before its optimizer
            self._lead.step()

    def after_validation(self, scores: Sequence[float]) -> None:
        """Take a step of a schedule by validations; `scores` is the monitored metric of each."""
        for schedule, score in zip(self._own, scores, strict=False):  # none by updates
            schedule.step(score)  # type: ignore[arg-type]

    def keep(self, members: Sequence[int]) -> None:
        """Go on with some of the members alone."""
        self._initial = [self._initial[n] for n in members]
        self._own = [self._own[n] for n in members] if self._own else []

    def state_of(self, n: int) -> dict[str, Any]:
        """Give the `state_dict` of a member's own schedule."""
        if self.per_validation:
            return self._own[n].state_dict()
        return {
            **self._lead.state_dict(),
            "base_lrs": [self._initial[n]],
            "_last_lr": [self.now[n]],
        }

    def load(self, states: Sequence[dict[str, Any]], rates: Sequence[float]) -> None:
        """Go on from what `state_of` gave of each member, at their rates of then."""
        if self.per_validation:
            for schedule, state, rate in zip(self._own, states, rates, strict=True):
                schedule.load_state_dict(state)
                schedule.optimizer.param_groups[0]["lr"] = rate
            return
        assert isinstance(self._lead, LambdaLR)
        factor = self._lead.lr_lambdas[0](states[0]["last_epoch"])
        self._lead.load_state_dict({**states[0], "base_lrs": [1.0], "_last_lr": [factor]})
        self._lead.optimizer.param_groups[0]["lr"] = factor


class _Nothing(Optimizer):
    """An optimizer of nothing, whose rate a schedule sets.

    Args:
        rate: at the beginning.
    """

    add_param_group = unwrap(Optimizer.add_param_group)  # see `without_compiler`

    def __init__(self, rate: float) -> None:
        super().__init__([torch.nn.Parameter(torch.zeros(0))], {"lr": rate})

    def step(self, closure: Any = None) -> Any:
        """Do nothing: schedules ask that it is done."""


def _rate(schedule: Any) -> float:
    return float(schedule.optimizer.param_groups[0]["lr"])
