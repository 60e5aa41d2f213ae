"""Principal components against points whose components are known, and against the covariance."""

import numpy as np
import pytest

from rnnlab.analysis.numerics.pca import components


def plane() -> tuple[np.ndarray, np.ndarray]:
    """Points on a plane in six dimensions, and its axes: 3 times as far along the first."""
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 2)))
    places = np.array([[3, 1], [3, -1], [-3, 1], [-3, -1], [0, 0]])
    return places @ axes.T + 7.0, axes.T


def test_the_axes_of_a_known_plane_are_found() -> None:
    points, axes = plane()
    found = components(points)
    assert found.shares == pytest.approx([0.9, 0.1, 0, 0, 0], abs=1e-12)
    assert np.abs(np.sum(found.axes[:2] * axes, axis=1)) == pytest.approx([1, 1])
    assert found.mean == pytest.approx(7.0)
    places = found.project(points, 2)
    assert np.abs(places[:4]) == pytest.approx(np.array([[3, 1]] * 4))
    assert places @ found.axes[:2] + found.mean == pytest.approx(points)


@pytest.mark.parametrize("size", [(50, 4), (4, 50)])
def test_shares_are_those_of_the_covariance_and_sum_to_one(size: tuple[int, int]) -> None:
    points = np.random.default_rng(1).normal(size=size) * np.arange(1, size[1] + 1)
    found = components(points)
    eigenvalues = np.linalg.eigvalsh(np.cov(points.T))[::-1][: len(found.shares)]
    assert found.shares == pytest.approx(eigenvalues / eigenvalues.sum(), abs=1e-12)
    assert found.shares.sum() == pytest.approx(1)
    assert found.axes @ found.axes.T == pytest.approx(np.eye(min(size)), abs=1e-12)


def test_the_order_of_points_turns_no_axis_round() -> None:
    points = np.random.default_rng(2).normal(size=(30, 5))
    assert components(points[::-1]).axes == pytest.approx(components(points).axes)


def test_points_that_are_one_have_no_variance() -> None:
    found = components(np.ones((4, 3)))
    assert found.shares.tolist() == [0, 0, 0]
    assert found.participation == 0
    assert found.project(np.ones((4, 3)), 3) == pytest.approx(0)


def test_equal_spread_along_three_axes_takes_part_with_three() -> None:
    points = np.concatenate([np.eye(3), -np.eye(3)]) @ np.eye(3, 8)
    found = components(points)
    assert found.participation == pytest.approx(3)
    assert [found.needed(share) for share in (0.3, 0.34, 0.9, 1.0)] == [1, 2, 3, 3]
