"""Limit cycles: the closed orbit, and the decay of distances to it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.tasks import orbit

_BETWEEN = 40  # starts between two successive states of the cycle
_APART = 1e-9  # share of the size of the cycle; nearer corners are merged
_FAR = 10  # multiples of the floor; smaller distances are not due to the perturbation
_LEAST = 5  # steps that a slope is fitted to at least

Rollout = Callable[[Tensor, int], Tensor]
"""States `(B, D)` and a number of steps -> the states after each step `(B, T, D)`."""


class Cycle(NamedTuple):
    """A closed orbit.

    Attributes:
        corners: `(1, M, D)`, points in the order of the orbit.
        joined: whether the orbit is a curve through the corners, or the corners alone.
    """

    corners: Tensor
    joined: bool

    def distance(self, states: Tensor) -> Tensor:
        """Return the distances `(T,)` of states `(T, D)`."""
        return orbit.distance(states[None], self.corners, discrete=not self.joined)[0]


class ExponentialFit(NamedTuple):
    """An exponential fitted to distances, `level * exp(rate * t)` from step `first` to `last`."""

    rate: float
    level: float
    first: int
    last: int


def closed_orbit(
    run: Rollout, state: Tensor, shortest: float, longest: float, settle: int
) -> Cycle:
    """Trace the closed curve of an attracting cycle, whose period need not be whole steps.

    The states of one trajectory may leave gaps for ever. So trajectories start between two
    successive states, on a cubic through four; after one period they have filled every gap in
    order.

    Args:
        run: the map over time.
        state: `(D,)`, a state on the curve.
        shortest: lower bound of the period in steps.
        longest: upper bound of the period in steps.
        settle: number of steps in which the starts converge to the curve.
    """
    four = torch.cat([state[None, None], run(state[None], 3)], dim=1)[0]
    starts = _cubic(torch.arange(_BETWEEN, dtype=state.dtype) / _BETWEEN) @ four
    around = run(starts, settle + math.ceil(1.3 * longest) + 1)[:, settle:]
    passed = around.transpose(0, 1).flatten(0, 1)  # the gaps one after the other
    first = int(0.75 * shortest * _BETWEEN)
    once = first + int((passed[first:] - passed[0]).norm(dim=1).argmin())
    corners = passed[:once]
    size = (corners - corners.mean(0)).norm(dim=1).max()
    corners = corners[(corners - corners.roll(1, dims=0)).norm(dim=1) > _APART * size]
    return Cycle(corners[None], True) if len(corners) > 2 else Cycle(passed[None, :1], False)


def few_points(states: Tensor) -> Cycle:
    """Return the cycle that consists of the states `(T, D)` of a trajectory."""
    return Cycle(states[None], joined=False)


def fit_decay(distances: Tensor, floor: float) -> ExponentialFit | None:
    """Fit an exponential to distances `(N, T)`, rate in nats per step; `None` for too few steps.

    The rate is the slope of their mean logarithm, from a third of the way (faster directions have
    decayed by then) to where it comes near `floor`, the distance of an unperturbed orbit.
    """
    course = distances.log().mean(0)
    near = course < math.log(max(_FAR * floor, 1e-300))
    last = int(near.int().argmax()) if bool(near.any()) else len(course)
    first = last // 3
    if last - first < _LEAST or not bool(course[first:last].isfinite().all()):
        return None
    rate, log_level = np.polyfit(range(first, last), course[first:last].numpy(), 1).tolist()
    return ExponentialFit(rate, math.exp(log_level), first, last)


def _cubic(places: Tensor) -> Tensor:
    """Return the weights `(N, 4)` of cubic interpolation from -1, 0, 1, 2 to places in 0 to 1."""
    t = places[:, None]
    knots = torch.tensor([-1.0, 0.0, 1.0, 2.0], dtype=places.dtype)
    weights = []
    for i in range(4):
        others = torch.cat([knots[:i], knots[i + 1 :]])
        weights.append(((t - others) / (knots[i] - others)).prod(1))
    return torch.stack(weights, dim=1)
