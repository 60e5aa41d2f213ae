"""Fixed and slow points of maps that are made by hand."""

import math

import pytest
import torch
from torch import Tensor

from rnnlab.analysis.numerics.slow_points import (
    SlowPoints,
    classify,
    distinct,
    eigenvalues,
    find,
    is_fixed,
    turning_steps,
)


def search(step, starts: Tensor) -> tuple[SlowPoints, list[str]]:
    found = find(step, starts, descent_steps=200, descent_rate=0.02)
    return found, [classify(values) for values in eigenvalues(step, found.states)]


def test_a_bistable_unit_has_two_stable_points_around_an_unstable_one() -> None:
    starts = torch.linspace(-1.2, 1.2, 25, dtype=torch.float64)[:, None]
    found, kinds = search(lambda h: torch.tanh(2 * h), starts)
    points = dict(sorted(zip(found.states[:, 0].tolist(), kinds, strict=True)))
    assert list(points) == pytest.approx([-0.9575, 0, 0.9575], abs=1e-4)
    assert list(points.values()) == ["stable", "unstable", "stable"]
    assert bool(is_fixed(found).all())
    assert int(found.hits.sum()) == 25


def test_a_hopfield_net_stands_still_at_its_memories() -> None:
    size = 60
    memories = torch.randn(3, size, dtype=torch.float64).sign()
    weight = 3 * memories.T @ memories / size
    corrupted = memories.repeat(4, 1) * 0.9 + 0.3 * torch.randn(12, size, dtype=torch.float64)
    step = lambda h: torch.tanh(h @ weight.T)  # noqa: E731
    found, kinds = search(step, torch.cat([corrupted, -corrupted, 1e-3 * corrupted]))
    stable = found.states[[kind == "stable" for kind in kinds]]
    for memory in (*memories, *-memories):
        assert any(torch.equal(state.sign(), memory) for state in stable)
    origin = found.states.norm(dim=1).argmin()
    assert float(found.states[origin].norm()) < 1e-6
    assert kinds[int(origin)] == "saddle"
    assert int((eigenvalues(step, found.states)[origin].abs() > 1).sum()) == len(memories)


def test_a_contraction_has_one_stable_point_and_it_is_found_exactly() -> None:
    matrix = 0.6 * torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    offset = torch.randn(5, dtype=torch.float64)
    found, kinds = search(
        lambda x: x @ matrix.T + offset, 3 * torch.randn(20, 5, dtype=torch.float64)
    )
    assert kinds == ["stable"]
    assert found.hits.tolist() == [20]
    right = torch.linalg.solve(torch.eye(5, dtype=torch.float64) - matrix, offset)
    torch.testing.assert_close(found.states[0], right, rtol=0, atol=1e-12)
    multipliers = eigenvalues(lambda x: x @ matrix.T + offset, found.states)[0]
    torch.testing.assert_close(multipliers.abs(), torch.full_like(offset, 0.6))


def test_where_two_points_have_just_vanished_a_slow_one_is_left() -> None:
    found, _ = search(lambda x: x + x**2 + 0.01, torch.full((4, 1), -0.3, dtype=torch.float64))
    assert found.states.tolist() == [[pytest.approx(0, abs=5e-3)]]
    assert found.speeds.tolist() == [pytest.approx(0.01, rel=1e-3)]
    assert not is_fixed(found).any()


def test_starts_that_run_away_are_left_out() -> None:
    starts = torch.tensor([[0.5], [math.inf]], dtype=torch.float64)
    found, _ = search(lambda x: 0.5 * x, starts)
    assert found.hits.tolist() == [1]


@pytest.mark.parametrize(
    ("multipliers", "kind"),
    [
        ([0.9, -0.5], "stable"),
        ([1.0, 0.5], "neutral"),
        ([1.1, 0.5], "saddle"),
        ([-1.1, 0.999999], "saddle"),
        ([1.1j, -1.1j], "unstable"),
    ],
)
def test_eigenvalues_name_the_kind(multipliers: list[complex], kind: str) -> None:
    assert classify(torch.tensor(multipliers, dtype=torch.complex128)) == kind


def test_an_angle_is_told_as_steps_around() -> None:
    assert turning_steps(complex(0, 0.5)) == pytest.approx(4)
    assert turning_steps(complex(-0.5, 0)) == pytest.approx(2)
    assert turning_steps(complex(0.5, 0)) is None


def test_of_points_nearby_the_slowest_stands_for_all() -> None:
    states = torch.tensor([[0.0], [1.0], [1.0001], [5.0]])
    speeds = torch.tensor([0.4, 0.3, 0.1, 0.2])
    kept = distinct(SlowPoints(states, speeds, torch.tensor([1, 2, 3, 4])), 1e-3)
    assert kept.states.flatten().tolist() == pytest.approx([1.0001, 5, 0])
    assert kept.hits.tolist() == [5, 4, 1]
