"""Closed curves, which an oscillation runs through in one period."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnlab.tasks import dynamics

Numbers = NDArray[np.float64]
Shape = Callable[[Numbers], Numbers]
"""Function from phases in turns `(...)` to points `(..., D)`."""

CurveName = Literal[
    "sine",
    "sum_of_sines",
    "figure_eight",
    "four_corners",
    "van_der_pol",
    "walk",
    "trot",
    "bound",
    "gaits",
]


@dataclass(frozen=True)
class Curve:
    """A closed curve, or several from which a plan (Jordan, 1986), a one-hot input, selects one.

    Attributes:
        names: of the D coordinates.
        shapes: name -> shape.
        period_steps: default number of steps in one period.
        discrete: whether the curve consists of `period_steps` points.
    """

    names: tuple[str, ...]
    shapes: dict[str, Shape]
    period_steps: int = 25
    discrete: bool = False

    @property
    def plan_size(self) -> int:
        """Number of inputs that select the shape, 0 if there is only one."""
        return len(self.shapes) if len(self.shapes) > 1 else 0

    def points(self, phases: Numbers, which: NDArray[np.int64]) -> Numbers:
        """Return the points `(B, T, D)` of shapes `which` `(B,)` at `phases` `(B, T)`."""
        points = np.stack([shape(phases) for shape in self.shapes.values()])
        return points[which, np.arange(len(which))]

    def outline(self, num_points: int) -> Numbers:
        """Return points of each shape at equally spaced phases, `(num_shapes, num_points, D)`."""
        phases = np.arange(num_points) / num_points
        return np.stack([shape(phases) for shape in self.shapes.values()])


def _sine(phases: Numbers) -> Numbers:
    return np.sin(2 * np.pi * phases)[..., None]


def _sum_of_sines(phases: Numbers) -> Numbers:
    """0.6 sin a + 0.4 sin 3a: with two frequencies four delay taps predict it."""
    turn = 2 * np.pi * phases
    return (0.6 * np.sin(turn) + 0.4 * np.sin(3 * turn))[..., None]


def _figure_eight(phases: Numbers) -> Numbers:
    """A horizontal eight of radius 0.5: x = sin a / 2, y = sin 2a / 2."""
    turn = 2 * np.pi * phases
    return 0.5 * np.stack([np.sin(turn), np.sin(2 * turn)], axis=-1)


_CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


def _four_corners(phases: Numbers) -> Numbers:
    """The corners of the unit square, one per quarter turn."""
    return _CORNERS[np.round(phases * 4).astype(np.int64) % 4]


def _van_der_pol(phases: Numbers) -> Numbers:
    """A third of x and of its derivative, on van der Pol's limit cycle."""
    cycle, _ = dynamics.van_der_pol()
    closed = np.concatenate([cycle, cycle[:1]]) / 3
    at = phases % 1 * len(cycle)
    return np.stack([np.interp(at, np.arange(len(closed)), part) for part in closed.T], axis=-1)


def _gait(*lags: float) -> Shape:
    """A gait: the angles of four legs, equal but for their phase lags in turns.

    A leg's angle is 0.7 sin a + 0.2 sin 2a: it swings forward faster than it pushes back.
    """

    def shape(phases: Numbers) -> Numbers:
        turn = 2 * np.pi * (phases[..., None] - np.array(lags))
        return 0.7 * np.sin(turn) + 0.2 * np.sin(2 * turn)

    return shape


# Lags of left fore, right fore, left hind, right hind in turns, as in Collins and Stewart (1993).
_WALK = _gait(0.25, 0.75, 0.0, 0.5)
_TROT = _gait(0.0, 0.5, 0.5, 0.0)
_BOUND = _gait(0.0, 0.0, 0.5, 0.5)
_LEGS = ("left fore", "right fore", "left hind", "right hind")

CURVES: dict[CurveName, Curve] = {
    "sine": Curve(("x",), {"sine": _sine}),
    "sum_of_sines": Curve(("x",), {"sum of sines": _sum_of_sines}),
    "figure_eight": Curve(("x", "y"), {"figure eight": _figure_eight}),
    # Jordan (1986), Serial order, his smallest cycle.
    "four_corners": Curve(
        ("x", "y"), {"four corners": _four_corners}, period_steps=4, discrete=True
    ),
    "van_der_pol": Curve(("x", "y"), {"van der Pol": _van_der_pol}, period_steps=65),
    "walk": Curve(_LEGS, {"walk": _WALK}),
    "trot": Curve(_LEGS, {"trot": _TROT}),
    "bound": Curve(_LEGS, {"bound": _BOUND}),
    "gaits": Curve(_LEGS, {"walk": _WALK, "trot": _TROT, "bound": _BOUND}),
}
