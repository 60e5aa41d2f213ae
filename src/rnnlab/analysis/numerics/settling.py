"""Attractors of a map: fixed points and cycles, and their basins."""

from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.analysis.numerics.tangents import Map
from rnnlab.analysis.progress import within_budget

_MOST = 2**24  # numbers of a trajectory held in memory


class Ends(NamedTuple):
    """The last states of B trajectories.

    Attributes:
        states: `(B, D)`.
        periods: `(B,)`, the period in steps of the cycle through the state, 0 without one.
    """

    states: Tensor
    periods: Tensor


class Attractor(NamedTuple):
    """A fixed point or a cycle.

    Attributes:
        cycle: `(P, D)`, its states in order.
        basin: the numbers of the starts that converged to it.
    """

    cycle: Tensor
    basin: list[int]

    @property
    def period(self) -> int:
        """The period in steps; 1 is a fixed point."""
        return len(self.cycle)


class NearestReturn(NamedTuple):
    """The nearest return of trajectories that do not converge to a cycle.

    Attributes:
        steps: the lag in steps of the nearest return; 1 for slow drift.
        distance: root mean square distance at this lag.
    """

    steps: int
    distance: float


@torch.no_grad()
def iterate(step: Map, states: Tensor, steps: int) -> Tensor:
    """Return the trajectories `(steps + 1, B, D)` of a map from states `(B, D)`."""
    path = [states]
    for _ in range(steps):
        path.append(step(path[-1]))
    return torch.stack(path)


@torch.no_grad()
def settle(step: Map, starts: Tensor, *, max_steps: int, max_period: int, tolerance: float) -> Ends:
    """Iterate a map from starts `(B, D)` until every trajectory is periodic.

    A trajectory has period p if for `max_period` steps each number of its state is within
    `tolerance` of its value p steps earlier; the shortest such period counts.
    """
    rows = max(_MOST // (2 * max_period * starts.shape[1]), 1)
    parts = [_settle(step, part, max_steps, max_period, tolerance) for part in starts.split(rows)]
    return Ends(*(torch.cat(same) for same in zip(*parts, strict=True)))


def _settle(step: Map, starts: Tensor, max_steps: int, max_period: int, tolerance: float) -> Ends:
    states = starts.clone()
    periods = torch.zeros(len(starts), dtype=torch.int64)
    going = torch.arange(len(starts))
    for _ in within_budget(
        range(0, max_steps, 2 * max_period), f"rounds of {2 * max_period} steps"
    ):
        path = iterate(step, states[going], 2 * max_period)
        states[going] = path[-1]
        periods[going] = recurrence(path, max_period, tolerance)
        going = going[periods[going] == 0]
        if not len(going):
            break
    return Ends(states, periods)


def recurrence(path: Tensor, max_period: int, tolerance: float) -> Tensor:
    """Return the shortest periods `(B,)` at the end of trajectories `(T, B, D)`, 0 for none."""
    last = path[-max_period:]
    periods = torch.zeros(path.shape[1], dtype=torch.int64)
    for period in range(max_period, 0, -1):
        before = path[-max_period - period : -period]
        back = (last - before).abs().amax(dim=(0, 2)) < tolerance
        periods[back] = period
    return periods


@torch.no_grad()
def nearest_return(step: Map, states: Tensor, max_period: int) -> NearestReturn:
    """Iterate on from states `(B, D)`, and return the median of their nearest returns."""
    path = iterate(step, states, 2 * max_period)
    last = path[-max_period:]
    apart = torch.stack(
        [
            (last - path[-max_period - lag : -lag]).square().mean(dim=(0, 2)).sqrt()
            for lag in range(1, max_period + 1)
        ]
    )
    distances, lags = apart.min(dim=0)
    return NearestReturn(int(lags.median()) + 1, float(distances.median()))


@torch.no_grad()
def attractors(step: Map, ends: Ends, *, apart: float) -> list[Attractor]:
    """Group the end states by the cycle that they lie on, largest basin first.

    Args:
        step: the map.
        ends: the result of `settle`.
        apart: least difference, in some number of the state, between different cycles.
    """
    found: list[Attractor] = []
    free = ends.periods > 0
    while free.any():
        first = int(free.int().argmax())
        period = int(ends.periods[first])
        cycle = iterate(step, ends.states[first : first + 1], period - 1)[:, 0]
        alike = (free & (ends.periods == period)).nonzero().flatten()
        away = (ends.states[alike][:, None] - cycle).abs().amax(dim=2).amin(dim=1)
        alike = alike[away < apart]
        found.append(Attractor(cycle, alike.tolist()))
        free[alike] = False
    return sorted(found, key=lambda attractor: -len(attractor.basin))
