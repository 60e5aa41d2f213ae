import numpy as np
import pytest

from rnnlab.tasks.curves import CURVES, CurveName
from rnnlab.tasks.dynamics import van_der_pol

NAMES = list(CURVES)


def at(name: CurveName, phases: list[float]) -> np.ndarray:
    """Every shape's points, `(num_shapes, T, D)`."""
    curve = CURVES[name]
    which = np.arange(len(curve.shapes))
    return curve.points(np.tile(phases, (len(which), 1)), which)


@pytest.mark.parametrize("name", NAMES)
def test_curves_are_closed(name: CurveName) -> None:
    np.testing.assert_allclose(at(name, [0.0, 0.25, 7.5]), at(name, [1.0, 3.25, 0.5]), atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_curves_are_smooth_or_discrete(name: CurveName) -> None:
    jumps = np.abs(np.diff(at(name, list(np.linspace(0, 1, 1001))), axis=1)).max()
    assert jumps == 1.0 if CURVES[name].discrete else jumps < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_points_have_a_number_for_each_name(name: CurveName) -> None:
    points = at(name, [0.1, 0.2])
    assert points.shape == (len(CURVES[name].shapes), 2, len(CURVES[name].names))
    assert np.abs(points).max() <= 1


def test_the_eight_has_radius_a_half_and_crosses_itself() -> None:
    points = at("figure_eight", list(np.linspace(0, 1, 1001)))[0]
    np.testing.assert_allclose(np.abs(points).max(axis=0), 0.5, atol=1e-4)
    np.testing.assert_allclose(at("figure_eight", [0.0, 0.5]), 0, atol=1e-12)


def test_legs_move_together_as_the_gait_says() -> None:
    phases = list(np.linspace(0, 1, 40, endpoint=False))
    walk, trot, bound = np.moveaxis(at("gaits", phases), 2, 1)  # each (legs, T)
    left_fore, right_fore, left_hind, right_hind = range(4)
    np.testing.assert_allclose(trot[left_fore], trot[right_hind])
    np.testing.assert_allclose(trot[right_fore], trot[left_hind])
    np.testing.assert_allclose(bound[left_fore], bound[right_fore])
    np.testing.assert_allclose(bound[left_hind], bound[right_hind])
    peaks = walk.argmax(axis=1)
    assert sorted((peaks - peaks[left_hind]) % 40) == [0, 10, 20, 30]


def test_each_gait_stands_alone_too() -> None:
    together = at("gaits", [0.1, 0.6])
    for index, name in enumerate(CURVES["gaits"].shapes):
        np.testing.assert_allclose(at(name, [0.1, 0.6])[0], together[index])  # type: ignore[arg-type]


def test_van_der_pols_cycle_solves_the_equation() -> None:
    cycle, period = van_der_pol()
    assert period == pytest.approx(6.473, abs=5e-4)
    assert np.abs(cycle[:, 0]).max() == pytest.approx(2.005, abs=5e-4)
    x, y = cycle.T
    slopes = (np.roll(cycle, -5, axis=0) - np.roll(cycle, 5, axis=0)) / (10 * period / len(cycle))
    np.testing.assert_allclose(slopes[:, 0], y, atol=1e-2)
    np.testing.assert_allclose(slopes[:, 1], -0.7 * (x**2 - 1) * y - x, atol=1e-2)
    np.testing.assert_allclose(at("van_der_pol", [0.0, 0.5])[0] * 3, cycle[[0, 500]], atol=1e-9)
