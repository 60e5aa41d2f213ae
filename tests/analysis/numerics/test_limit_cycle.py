"""A circle that attracts at a known rate is traced, and its rate found."""

import math

import pytest
import torch
from torch import Tensor

from rnnlab.analysis.numerics.limit_cycle import closed_orbit, few_points, fit_decay

KEEP = 0.9  # of the distance to the circle, each step


def turn(states: Tensor, period: float) -> Tensor:
    radius = states.norm(dim=1, keepdim=True)
    angle = torch.atan2(states[:, 1:], states[:, :1]) + 2 * math.pi / period
    return (1 + KEEP * (radius - 1)) * torch.cat([angle.cos(), angle.sin()], dim=1)


def run(period: float):
    def go(states: Tensor, steps: int) -> Tensor:
        visited = []
        for _ in range(steps):
            states = turn(states, period)
            visited.append(states)
        return torch.stack(visited, dim=1)

    return go


# In 25 steps around, the run's own states never fill the gaps between 25 places.
@pytest.mark.parametrize("period", [25, 24.97, 8 * math.pi])
def test_a_circle_is_traced_in_order_and_without_gaps(period: float) -> None:
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    cycle = closed_orbit(run(period), start, 25, 25, settle=300)
    assert cycle.joined
    assert len(cycle.corners[0]) == pytest.approx(40 * period, rel=0.01)
    angles = torch.linspace(0, 6, 97, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert float(cycle.distance(circle).max()) < 1e-5
    assert cycle.distance(1.1 * circle).tolist() == pytest.approx([0.1] * 97, abs=1e-5)


def test_the_way_back_has_the_rate_of_the_map() -> None:
    cycle = closed_orbit(run(25), torch.tensor([1.0, 0.0], dtype=torch.float64), 25, 25, settle=300)
    pushed = torch.tensor([[1.2, 0.3], [0.5, -0.4]], dtype=torch.float64)
    distances = torch.stack([cycle.distance(track) for track in run(25)(pushed, 100)])
    decay = fit_decay(distances, floor=1e-5)
    assert decay is not None
    assert decay.rate == pytest.approx(math.log(KEEP), rel=5e-3)
    assert decay.level == pytest.approx(math.sqrt(float(distances[:, 0].prod())), rel=0.01)


def test_a_fit_ends_where_the_floor_begins_and_needs_some_steps() -> None:
    steps = torch.arange(100, dtype=torch.float64)
    distances = (math.exp(-0.2) ** steps + 1e-4)[None]
    decay = fit_decay(distances, floor=1e-4)
    assert decay is not None
    assert decay.rate == pytest.approx(-0.2, rel=0.03)
    assert decay.last == pytest.approx(math.log(1000) / 0.2, abs=2)
    assert fit_decay(distances[:, :4], floor=1e-4) is None
    assert fit_decay(0 * distances, floor=0.0) is None


def test_a_cycle_of_few_points_is_not_joined() -> None:
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    cycle = few_points(corners)
    assert cycle.distance(torch.tensor([[0.5, 0.0]])).tolist() == [0.5]
