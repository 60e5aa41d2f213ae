"""Maps whose fixed points and cycles are known."""

import math

import pytest
import torch
from torch import Tensor

from rnnlab.analysis.numerics import settling
from rnnlab.analysis.numerics.settling import attractors, nearest_return, recurrence, settle


def column(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def ends_of(step, starts: Tensor, *, max_steps: int = 2000, max_period: int = 20):
    return settle(step, starts, max_steps=max_steps, max_period=max_period, tolerance=1e-9)


@pytest.mark.parametrize(("rate", "period"), [(2.8, 1), (3.2, 2), (3.5, 4), (3.55, 8), (3.83, 3)])
def test_the_logistic_map_has_the_cycles_that_are_known(rate: float, period: int) -> None:
    """May (1976): one attractor for nearly all starts, by way of period doubling."""

    def step(x: Tensor) -> Tensor:
        return rate * x * (1 - x)

    ends = ends_of(step, column([0.1, 0.23, 0.4, 0.77]))
    (found,) = attractors(step, ends, apart=1e-6)
    assert found.period == period
    assert found.basin == [0, 1, 2, 3]
    torch.testing.assert_close(step(found.cycle), found.cycle.roll(-1, dims=0))


def test_chaos_comes_back_nowhere() -> None:
    def step(x: Tensor) -> Tensor:
        return 3.9 * x * (1 - x)

    ends = ends_of(step, column([0.1, 0.4]))
    assert ends.periods.tolist() == [0, 0]
    assert attractors(step, ends, apart=1e-6) == []
    assert nearest_return(step, ends.states, 20).distance > 0.05


def test_a_bistable_unit_has_two_basins_parted_at_zero() -> None:
    """Where s = tanh(2 s): at +-0.9575, and at 0, which repels."""

    def step(s: Tensor) -> Tensor:
        return torch.tanh(2 * s)

    ends = ends_of(step, column([-0.9, 0.01, 0.3, -1e-3, 5.0]))
    one, other = attractors(step, ends, apart=1e-6)
    assert one.basin == [1, 2, 4]
    assert other.basin == [0, 3]
    assert one.cycle.item() == pytest.approx(0.957504, abs=1e-6)
    assert other.cycle.item() == pytest.approx(-0.957504, abs=1e-6)


def test_a_turn_by_a_part_of_the_circle_has_that_period() -> None:
    def turn(angle: float):
        cos, sin = math.cos(angle), math.sin(angle)
        matrix = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
        return lambda s: s @ matrix.T

    starts = torch.eye(2, dtype=torch.float64)
    seventh = turn(2 * math.pi / 7)
    ends = ends_of(seventh, starts)
    assert ends.periods.tolist() == [7, 7]
    assert len(attractors(seventh, ends, apart=1e-6)) == 2  # two of the very many circles
    golden = turn(math.pi * (3 - math.sqrt(5)))
    ends = ends_of(golden, starts)
    assert ends.periods.tolist() == [0, 0]
    back = nearest_return(golden, ends.states, 20)
    assert back.steps == 13  # a number of Fibonacci's
    assert back.distance < 0.25


def test_what_creeps_is_not_there_yet() -> None:
    def step(s: Tensor) -> Tensor:
        return 0.999 * s

    start = column([1.0])
    early = ends_of(step, start, max_steps=400)
    assert early.periods.tolist() == [0]
    back = nearest_return(step, early.states, 20)
    assert back.steps == 1
    assert back.distance == pytest.approx(0.001 * early.states.item(), rel=0.05)
    assert ends_of(step, start, max_steps=40_000).periods.tolist() == [1]


def test_what_flies_away_settles_nowhere() -> None:
    ends = ends_of(lambda s: 2 * s, column([1.0, 0.0]), max_steps=4000)
    assert ends.periods.tolist() == [0, 1]


def test_the_shortest_period_is_taken() -> None:
    wave = torch.tensor([0.0, 1, 0, 2] * 10)[:, None, None]
    still = torch.zeros(40, 1, 1)
    path = torch.cat([wave, still], dim=1)
    assert recurrence(path, 10, 1e-6).tolist() == [4, 1]
    assert recurrence(path, 3, 1e-6).tolist() == [0, 1]


def test_starts_settle_alike_however_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = torch.linspace(-1, 1, 11, dtype=torch.float64)[:, None]
    starts[5] = 0.0
    together = ends_of(lambda s: torch.tanh(-2 * s), starts)
    monkeypatch.setattr(settling, "_MOST", 1)
    for one, other in zip(ends_of(lambda s: torch.tanh(-2 * s), starts), together, strict=True):
        assert torch.equal(one, other)
    assert set(together.periods.tolist()) == {1, 2}  # 0 stays where it is
