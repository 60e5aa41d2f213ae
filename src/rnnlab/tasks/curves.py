"""Closed curves as data: what an oscillation goes through in one period."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Shape = Callable[[Numbers], Numbers]
"""From phases in turns `(...)`, of any size, to points `(..., D)`."""

CurveName = Literal[
    "sine", "sum_of_sines", "figure_eight", "four_corners", "walk", "trot", "bound", "gaits"
]


@dataclass(frozen=True)
class Curve:
    """A closed curve, or a few that a plan chooses from.

    Attributes:
        names: of the D numbers of a point.
        shapes: by name; where there are several, a one-hot input says which.
        period_steps: steps a period takes unless the config says otherwise.
        discrete: whether there are only `period_steps` points, one a step.
    """

    names: tuple[str, ...]
    shapes: dict[str, Shape]
    period_steps: int = 25
    discrete: bool = False

    @property
    def plan_size(self) -> int:
        """Number of inputs that say which shape is meant; none where there is one."""
        return len(self.shapes) if len(self.shapes) > 1 else 0

    def points(self, phases: Numbers, which: NDArray[np.int64]) -> Numbers:
        """Give the points `(B, T, D)` of shapes `which` `(B,)` at `phases` `(B, T)`."""
        every = np.stack([shape(phases) for shape in self.shapes.values()])
        return every[which, np.arange(len(which))]

    def outline(self, num_points: int) -> Numbers:
        """Give each shape's points at equal phases, `(num_shapes, num_points, D)`."""
        phases = np.arange(num_points) / num_points
        return np.stack([shape(phases) for shape in self.shapes.values()])


def _sine(phases: Numbers) -> Numbers:
    return np.sin(2 * np.pi * phases)[..., None]


def _sum_of_sines(phases: Numbers) -> Numbers:
    """0.6 sin a + 0.4 sin 3a: two frequencies, so four taps predict it."""
    turn = 2 * np.pi * phases
    return (0.6 * np.sin(turn) + 0.4 * np.sin(3 * turn))[..., None]


def _figure_eight(phases: Numbers) -> Numbers:
    """A lying eight of radius 0.5 that crosses itself: x = sin a / 2, y = sin 2a / 2."""
    turn = 2 * np.pi * phases
    return 0.5 * np.stack([np.sin(turn), np.sin(2 * turn)], axis=-1)


_CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


def _four_corners(phases: Numbers) -> Numbers:
    """The corners of the unit square, one a quarter turn."""
    return _CORNERS[np.round(phases * 4).astype(np.int64) % 4]


def _gait(*lags: float) -> Shape:
    """Four legs that do one thing, each its share of a turn later.

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
    "walk": Curve(_LEGS, {"walk": _WALK}),
    "trot": Curve(_LEGS, {"trot": _TROT}),
    "bound": Curve(_LEGS, {"bound": _BOUND}),
    "gaits": Curve(_LEGS, {"walk": _WALK, "trot": _TROT, "bound": _BOUND}),
}
