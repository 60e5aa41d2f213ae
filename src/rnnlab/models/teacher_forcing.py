"""Schedules of scheduled sampling: the probability of teacher forcing after so many updates."""

import math
from abc import ABC, abstractmethod

from rnnlab.ranges import PositiveInt, Probability
from rnnlab.stackable import stackable


class TeacherSchedule(ABC):
    """The probability, per token, that training feeds the target instead of the model's answer.

    Bengio et al. (2015), Scheduled sampling, section 2.4.
    """

    @abstractmethod
    def probability(self, step: int) -> float:
        """Return the probability after `step` updates."""


@stackable()
class Constant(TeacherSchedule):
    """The same at every step; 1 is teacher forcing, 0 free running.

    Args:
        value: the probability.
    """

    def __init__(self, *, value: Probability) -> None:
        self.value = value

    def probability(self, step: int) -> float:  # noqa: ARG002
        """Return `value`."""
        return self.value


@stackable()
class Linear(TeacherSchedule):
    """From 1 down to `end` in equal steps: max(end, 1 - (1 - end) step / steps).

    Args:
        steps: updates until `end` is reached.
        end: the last probability.
    """

    def __init__(self, *, steps: PositiveInt, end: Probability) -> None:
        self.steps = steps
        self.end = end

    def probability(self, step: int) -> float:
        """Return the probability after `step` updates."""
        return max(self.end, 1 - (1 - self.end) * step / self.steps)


@stackable()
class Exponential(TeacherSchedule):
    """`end + (1 - end) rate^step`.

    Args:
        rate: factor of the probability per update, just below 1.
        end: the limit.
    """

    def __init__(self, *, rate: Probability, end: Probability) -> None:
        self.rate = rate
        self.end = end

    def probability(self, step: int) -> float:
        """Return the probability after `step` updates."""
        return self.end + (1 - self.end) * self.rate**step


@stackable()
class InverseSigmoid(TeacherSchedule):
    """`end + (1 - end) k / (k + exp(step / k))`: stays near 1 for about k ln k updates.

    Args:
        k: updates; a larger k decays later and slower.
        end: the limit.
    """

    def __init__(self, *, k: PositiveInt, end: Probability) -> None:
        self.k = k
        self.end = end

    def probability(self, step: int) -> float:
        """Return the probability after `step` updates."""
        growth = math.exp(min(step / self.k, 700.0))  # exp overflows at 709
        return self.end + (1 - self.end) * self.k / (self.k + growth)
