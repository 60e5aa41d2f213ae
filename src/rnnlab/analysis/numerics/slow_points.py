"""Fixed and slow points of a map: minima of its speed, and the eigenvalues there."""

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.analysis.numerics.tangents import Map, jacobian
from rnnlab.analysis.progress import within_budget

Kind = Literal["stable", "neutral", "saddle", "unstable", "slow"]

_STILL = 1e-9  # relative speed below which a point is fixed
_FLOOR = 1e-15  # speed of rounding errors
_NEUTRAL = 1e-3  # an |eigenvalue| this near to 1 is neutral over 1000 steps
_SAME = 1e-4  # relative distance below which points are merged
_ENTRIES = 2**21  # of Jacobians held in memory
_FEWEST, _MOST = 8, 2**22  # points, or entries of Jacobians, that are refined at most
_ROUNDS, _ITERATIONS = 3, 12  # of refinement; points that met are merged between rounds
_DESCENT = 0.5  # share of the budget after which descent ends, so that refinement has its time
_STALLED = 0.999  # share of the speed that a step must undercut to go on


class SlowPoints(NamedTuple):
    """Minima of the speed, slowest first.

    Attributes:
        states: `(P, D)`.
        speeds: `(P,)`, |F(x) - x|.
        hits: `(P,)` int64, the number of starts that converged to each.
    """

    states: Tensor
    speeds: Tensor
    hits: Tensor


def find(step: Map, starts: Tensor, *, descent_steps: int, descent_rate: float) -> SlowPoints:
    """Find local minima of q(x) = |F(x) - x|^2 / 2 by descent from `starts` `(B, D)`.

    Sussillo and Barak (2013), eq. 2. Adam descends from all starts at once, at one gradient a
    step; the distinct points are then refined by Levenberg-Marquardt steps, which near a fixed
    point are Newton's:

        (A'A + damping) dx = -A' (F(x) - x),  A = dF/dx - 1
    """
    descended = _descend(step, starts, descent_steps, descent_rate)
    descended = descended[descended.isfinite().all(1)]
    alone = torch.ones(len(descended), dtype=torch.int64)
    points = SlowPoints(descended, _speeds(step, descended), alone)
    most = max(_FEWEST, _MOST // starts.shape[1] ** 2)
    for _ in range(_ROUNDS):
        points = SlowPoints(*(part[:most] for part in distinct(points)))
        chunks = points.states.split(_rows(starts.shape[1]))
        polished = torch.cat([_polish(step, some) for some in chunks])
        points = SlowPoints(polished, _speeds(step, polished), points.hits)
    return distinct(points)


def is_fixed(points: SlowPoints) -> Tensor:
    """Return which points are fixed points, `(P,)` bool."""
    return points.speeds < _STILL * (1 + points.states.norm(dim=1))


def eigenvalues(step: Map, states: Tensor) -> Tensor:
    """Return the eigenvalues of the Jacobians, `(P, D)` complex, largest modulus first."""
    made = torch.cat([jacobian(step, some) for some in states.split(_rows(states.shape[1]))])
    # By numpy: torch.linalg.eigvals may fail if many eigenvalues are 0.
    values = torch.from_numpy(np.linalg.eigvals(made.numpy())).to(torch.complex128)
    return values.gather(1, values.abs().argsort(dim=1, descending=True))


def classify(multipliers: Tensor) -> Kind:
    """Return the kind of a fixed point, given the eigenvalues `(D,)` of its Jacobian."""
    sizes = multipliers.abs()
    out = int((sizes > 1 + _NEUTRAL).sum())
    if out:
        return "unstable" if out == len(sizes) else "saddle"
    return "stable" if bool((sizes < 1 - _NEUTRAL).all()) else "neutral"


def turning_steps(multiplier: complex) -> float | None:
    """Return the period in steps of an eigenvalue's rotation, `None` for a real positive one."""
    angle = abs(math.atan2(multiplier.imag, multiplier.real))
    return 2 * math.pi / angle if angle > 1e-9 else None


def distinct(points: SlowPoints, tolerance: float = _SAME) -> SlowPoints:
    """Merge nearby points into the slowest of them, and add up their hits."""
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
    """Minimise q by Adam, which scales each number on its own, so that rows are independent."""
    states = starts.clone().requires_grad_()
    adam = torch.optim.Adam([states], lr=rate)
    pace = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(steps, 1))
    for _ in within_budget(range(steps), "steps of descent", share=_DESCENT):
        q = (step(states) - states).square().sum() / 2
        (states.grad,) = torch.autograd.grad(q, states)
        adam.step()
        pace.step()
    return states.detach()


@torch.no_grad()
def _polish(step: Map, states: Tensor) -> Tensor:
    """Take Levenberg-Marquardt steps, with a damping for each row, until no row improves."""
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
