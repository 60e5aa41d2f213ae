"""Time series made by equations, in arithmetic that is the same on every machine."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
_Point = tuple[float, ...]

_FINE = 10  # steps of integration per unit of time, of Mackey and Glass
_STEP = 0.01  # units of time in a step of integration, of the others


@cache
def mackey_glass(count: int = 1500) -> Numbers:
    """Integrate the equation of Mackey and Glass (1977), `(count, 1)`.

        dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x(t)

    By the Runge-Kutta method of order 4 with steps of 0.1 from x = 1.2 and 0 before; sampled every
    6 units of time after 120, as is usual for predictions from four values (Jang, 1993).
    """
    step, held = 1 / _FINE, 17 * _FINE
    x, past = 1.2, [0.0] * (held + 1)
    past[-1] = x
    skipped, period = 120 * _FINE, 6 * _FINE
    for _ in range(skipped + (count - 1) * period):
        then, later = past[-held - 1], past[-held]
        drives = [_feedback(then), _feedback((then + later) / 2), _feedback(later)]
        k1 = drives[0] - 0.1 * x
        k2 = drives[1] - 0.1 * (x + step / 2 * k1)
        k3 = drives[1] - 0.1 * (x + step / 2 * k2)
        k4 = drives[2] - 0.1 * (x + step * k3)
        x += step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        past.append(x)
    return np.array(past[held + skipped :: period])[:, None]


def _feedback(x: float) -> float:
    square = x * x
    fourth = square * square
    return 0.2 * x / (1 + fourth * fourth * square)  # no power, which differs between libraries


@cache
def lorenz(count: int = 2000) -> Numbers:
    """Integrate the equations of Lorenz (1963) with 10, 28, 8/3, `(count, 3)`.

        dx/dt = 10 (y - x);  dy/dt = x (28 - z) - y;  dz/dt = x y - 8/3 z

    By the Runge-Kutta method of order 4 with steps of 0.01 from (1, 1, 1); sampled every 5 steps
    after 1000.
    """
    points = []
    state: _Point = (1.0, 1.0, 1.0)
    for number in range(1000 + (count - 1) * 5 + 1):
        if number >= 1000 and number % 5 == 0:
            points.append(state)
        state = _integrated(_convection, state)
    return np.array(points)


def _convection(state: _Point) -> _Point:
    x, y, z = state
    return 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z


def _integrated(slope_at: Callable[[_Point], _Point], state: _Point) -> _Point:
    """Take one step of `_STEP` by the Runge-Kutta method of order 4."""
    k1 = slope_at(state)
    k2 = slope_at(_moved(state, k1, _STEP / 2))
    k3 = slope_at(_moved(state, k2, _STEP / 2))
    k4 = slope_at(_moved(state, k3, _STEP))
    slope = tuple(a + 2 * b + 2 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
    return _moved(state, slope, _STEP / 6)


def _moved(state: _Point, slope: _Point, step: float) -> _Point:
    return tuple(s + step * d for s, d in zip(state, slope, strict=True))


@cache
def van_der_pol() -> tuple[Numbers, float]:
    """Integrate van der Pol's equation on its limit cycle: points of a period, and the period.

        dx/dt = y;  dy/dt = -0.7 (x^2 - 1) y - x

    As Tsung and Cottrell (1995) have it. By the Runge-Kutta method of order 4 with steps of 0.01
    from (2, 0), after 60 units of time; the points `(N, 2)`, at equal intervals, begin where x
    rises through 0. The period is in units of time.
    """
    points = []
    state: _Point = (2.0, 0.0)
    for number in range(8000):
        if number >= 6000:
            points.append(state)
        state = _integrated(_relaxation, state)
    x, y = np.array(points).T
    (before,) = np.nonzero((x[:-1] < 0) & (x[1:] >= 0))
    begin, end = (before + x[before] / (x[before] - x[before + 1]))[:2]
    at = np.linspace(begin, end, 1000, endpoint=False)
    steps = np.arange(len(x))
    cycle = np.stack([np.interp(at, steps, part) for part in (x, y)], axis=1)
    return cycle, float((end - begin) * _STEP)


def _relaxation(state: _Point) -> _Point:
    x, y = state
    return y, -0.7 * (x * x - 1) * y - x


def sines() -> Numbers:
    """Add three sines with periods of 11, 17.3 and 41 steps, `(1000, 1)`.

    Three frequencies and a mean of zero: six delay taps predict it.
    """
    turns = 2 * math.pi * np.arange(1000)
    return (np.sin(turns / 11) + 0.7 * np.sin(turns / 17.3) + 0.5 * np.sin(turns / 41))[:, None]
