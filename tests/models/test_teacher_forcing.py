"""Schedules of scheduled sampling against their closed forms."""

import math

import pytest

from rnnlab.models.teacher_forcing import (
    Constant,
    Exponential,
    InverseSigmoid,
    Linear,
    TeacherSchedule,
)

SCHEDULES = [
    Constant(value=0.3),
    Linear(steps=100, end=0.2),
    Exponential(rate=0.99, end=0.1),
    InverseSigmoid(k=50, end=0.0),
]


@pytest.mark.parametrize(
    ("step", "probability"), [(0, 1.0), (25, 0.8), (50, 0.6), (100, 0.2), (1000, 0.2)]
)
def test_linear_goes_down_in_equal_steps_and_stays(step: int, probability: float) -> None:
    assert Linear(steps=100, end=0.2).probability(step) == pytest.approx(probability)


@pytest.mark.parametrize("step", [0, 1, 7, 5000])
def test_exponential_is_a_power(step: int) -> None:
    assert Exponential(rate=0.9, end=0.0).probability(step) == 0.9**step
    assert Exponential(rate=0.9, end=0.25).probability(step) == 0.25 + 0.75 * 0.9**step


def test_inverse_sigmoid_is_the_papers() -> None:
    schedule = InverseSigmoid(k=10, end=0.0)
    assert schedule.probability(0) == pytest.approx(10 / 11)
    assert schedule.probability(20) == pytest.approx(10 / (10 + math.e**2))
    # one half where exp(i / k) = k
    assert InverseSigmoid(k=7, end=0.0).probability(7 * math.log(7)) == pytest.approx(0.5)


def test_inverse_sigmoid_ends_without_overflow() -> None:
    assert InverseSigmoid(k=1, end=0.4).probability(10**9) == pytest.approx(0.4)


def test_constant_is_constant() -> None:
    assert {Constant(value=0.3).probability(step) for step in (0, 1, 10**6)} == {0.3}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_probabilities_never_rise_nor_leave_their_range(schedule: TeacherSchedule) -> None:
    values = [schedule.probability(step) for step in range(0, 3000, 7)]
    assert values == sorted(values, reverse=True)
    assert 0 <= values[-1] <= values[0] <= 1
