"""A closed orbit in state space, and the way back to it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.tasks import orbit

_BETWEEN = 40  # places between two states of a run from which the cycle is filled
_APART = 1e-9  # of the size of the cycle; nearer corners are one
_FAR = 10  # floors; nearer to the cycle a distance is not of the push alone
_LEAST = 5  # steps that a slope is fitted to

Rollout = Callable[[Tensor, int], Tensor]
"""From states `(B, D)` and a number of steps to the states after each, `(B, T, D)`."""


class Cycle(NamedTuple):
    """A closed orbit.

    Attributes:
        corners: `(1, M, D)` in the order in which they are passed.
        joined: whether the orbit is a curve through them; else they are all there is.
    """

    corners: Tensor
    joined: bool

    def distance(self, states: Tensor) -> Tensor:
        """Distance of states `(T, D)`, `(T,)`."""
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
    """Trace the curve that a map goes round, whether or not in a whole number of steps.

    Its own states may leave gaps for ever, so starts are put between two of them, on a cubic
    through four; what attracts takes these in, and once around they fill every gap in order.

    Args:
        run: the map over time.
        state: `(D,)`, on the curve.
        shortest: period that may be expected, in steps.
        longest: likewise.
        settle: steps in which starts come to the curve.
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
    """Take for a cycle the states of a run `(T, D)` that visits few."""
    return Cycle(states[None], joined=False)


def fit_decay(distances: Tensor, floor: float) -> ExponentialFit | None:
    """Fit how fast distances `(N, T)` fall, in nats per step; `None` where there is too little.

    It is the slope of their mean logarithm, from a third of the way (directions that fade faster
    are gone by then) to where it comes near `floor`, what an orbit that was not pushed shows.
    """
    course = distances.log().mean(0)
    near = course < math.log(max(_FAR * floor, 1e-300))
    last = int(near.int().argmax()) if bool(near.any()) else len(course)
    first = last // 3
    if last - first < _LEAST or not bool(course[first:last].isfinite().all()):
        return None
    steps = torch.arange(first, last, dtype=course.dtype)
    middle, mean = steps.mean(), course[first:last].mean()
    rate = ((steps - middle) * course[first:last]).sum() / (steps - middle).square().sum()
    return ExponentialFit(float(rate), float((mean - rate * middle).exp()), first, last)


def _cubic(places: Tensor) -> Tensor:
    """Give the weights `(N, 4)` of the values at -1, 0, 1 and 2 for places between 0 and 1."""
    t = places[:, None]
    knots = torch.tensor([-1.0, 0.0, 1.0, 2.0], dtype=places.dtype)
    weights = []
    for i in range(4):
        others = torch.cat([knots[:i], knots[i + 1 :]])
        weights.append(((t - others) / (knots[i] - others)).prod(1))
    return torch.stack(weights, dim=1)
