"""Where a map stands still, or nearly: minima of its speed, and what happens around them."""

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.analysis.numerics.tangents import Map, jacobian

Kind = Literal["stable", "neutral", "saddle", "unstable", "slow"]

_STILL = 1e-9  # speed, in sizes of the state, below which a point is fixed
_FLOOR = 1e-15  # no step makes a speed less than rounding does
_NEUTRAL = 1e-3  # a multiplier this near to 1 neither grows nor fades within 1000 steps
_SAME = 1e-4  # points nearer than this, in sizes of the state, are one
_ENTRIES = 2**21  # of Jacobians made at once
_FEWEST, _MOST = 8, 2**22  # points, or Jacobians' entries, polished at most: then the slowest
_ROUNDS, _ITERATIONS = 3, 12  # of polishing; between rounds those that met become one
_STALLED = 0.999  # a step that leaves so much of the speed ends the search: no root is near


class SlowPoints(NamedTuple):
    """Minima of the speed, slowest first.

    Attributes:
        states: `(P, D)`.
        speeds: `(P,)`, |F(x) - x|.
        hits: `(P,)`, how many starts ended there.
    """

    states: Tensor
    speeds: Tensor
    hits: Tensor


def find(step: Map, starts: Tensor, *, descent_steps: int, descent_rate: float) -> SlowPoints:
    """Find local minima of q(x) = |F(x) - x|^2 / 2 downhill from `starts` `(B, D)`.

    Sussillo and Barak (2013), eq. 2. Adam goes down from all starts at once, which costs a
    gradient a step; then the few places that differ are polished by Levenberg's and Marquardt's
    steps, which near a fixed point are Newton's:

        (A'A + damping) dx = -A' (F(x) - x),  A = dF/dx - 1
    """
    descended = _descend(step, starts, descent_steps, descent_rate)
    descended = descended[descended.isfinite().all(1)]
    alone = torch.ones(len(descended), dtype=torch.int64)
    points = SlowPoints(descended, _speeds(step, descended), alone)
    most = max(_FEWEST, _MOST // starts.shape[1] ** 2)
    for _ in range(_ROUNDS):
        points = SlowPoints(*(part[:most] for part in distinct(points, _SAME)))
        chunks = points.states.split(_rows(starts.shape[1]))
        polished = torch.cat([_polish(step, some) for some in chunks])
        points = SlowPoints(polished, _speeds(step, polished), points.hits)
    return distinct(points, _SAME)


def is_fixed(points: SlowPoints) -> Tensor:
    """Tell which points the map leaves where they are, `(P,)`."""
    return points.speeds < _STILL * (1 + points.states.norm(dim=1))


def eigenvalues(step: Map, states: Tensor) -> Tensor:
    """Give those of the Jacobian at each state, `(P, D)` complex, largest modulus first."""
    made = torch.cat([jacobian(step, some) for some in states.split(_rows(states.shape[1]))])
    # numpy's LAPACK, for torch's may fail where many eigenvalues are 0.
    values = torch.from_numpy(np.linalg.eigvals(made.numpy())).to(torch.complex128)
    return values.gather(1, values.abs().argsort(dim=1, descending=True))


def classify(multipliers: Tensor) -> Kind:
    """Name a fixed point by the eigenvalues `(D,)` of its Jacobian."""
    sizes = multipliers.abs()
    out = int((sizes > 1 + _NEUTRAL).sum())
    if out:
        return "unstable" if out == len(sizes) else "saddle"
    return "stable" if bool((sizes < 1 - _NEUTRAL).all()) else "neutral"


def turning_steps(multiplier: complex) -> float | None:
    """Give the steps in which a direction turns once around; `None` for one that doesn't."""
    angle = abs(math.atan2(multiplier.imag, multiplier.real))
    return 2 * math.pi / angle if angle > 1e-9 else None


def distinct(points: SlowPoints, tolerance: float) -> SlowPoints:
    """Keep of points near each other the slowest, and add up how many starts ended there."""
    order = points.speeds.argsort()
    states, speeds, hits = (part[order] for part in points)
    near = tolerance * (1 + states.norm(dim=1))
    kept: list[int] = []
    sums: list[Tensor] = []
    left = torch.ones_like(hits, dtype=torch.bool)
    while bool(left.any()):
        first = int(left.int().argmax())
        same = left & ((states - states[first]).norm(dim=1) <= near[first])
        kept.append(first)
        sums.append(hits[same].sum())
        left &= ~same
    return SlowPoints(states[kept], speeds[kept], torch.stack(sums) if sums else hits)


def _rows(size: int) -> int:
    return max(1, _ENTRIES // size**2)


@torch.no_grad()
def _speeds(step: Map, states: Tensor) -> Tensor:
    return (step(states) - states).norm(dim=1)


def _descend(step: Map, starts: Tensor, steps: int, rate: float) -> Tensor:
    """Go down q by Adam, whose every number has its own pace, so that rows don't meet."""
    states = starts.clone().requires_grad_()
    adam = torch.optim.Adam([states], lr=rate)
    pace = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
    for _ in range(steps):
        q = (step(states) - states).square().sum() / 2
        (states.grad,) = torch.autograd.grad(q, states)
        adam.step()
        pace.step()
    return states.detach()


@torch.no_grad()
def _polish(step: Map, states: Tensor) -> Tensor:
    """Take Levenberg's and Marquardt's steps, each row with its own damping, until it stalls."""
    states, speeds = states.clone(), _speeds(step, states)
    damping = torch.full_like(speeds, 1e-3)
    left = torch.arange(len(states), device=states.device)
    for _ in range(_ITERATIONS):
        here = states[left]
        slope = jacobian(step, here)
        slope.diagonal(dim1=1, dim2=2).sub_(1)
        residual = (step(here) - here)[:, :, None]
        normal = slope.mT @ slope
        normal.diagonal(dim1=1, dim2=2).add_(damping[left, None])
        change, _ = torch.linalg.solve_ex(normal, slope.mT @ residual)
        tried = here - change.squeeze(2)
        before, after = speeds[left], _speeds(step, tried)
        better = after < before
        states[left] = torch.where(better[:, None], tried, here)
        speeds[left] = torch.where(better, after, before)
        damping[left] *= torch.where(better, 0.1, 10.0)
        left = left[~(better & (after > _STALLED * before)) & (speeds[left] > _FLOOR)]
        if not len(left):
            break
    return states
