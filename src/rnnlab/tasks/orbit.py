"""Distance of an orbit from a closed curve, and its phase and period."""

import math

import torch
from torch import Tensor


def distance(points: Tensor, outline: Tensor, *, discrete: bool) -> Tensor:
    """Return the distance `(B, T)` of points `(B, T, D)` from an outline `(B, M, D)`.

    The outline is a closed polygon, or M separate points if it is `discrete`. Of a polygon only the
    two sides at the nearest corner are tried.
    """
    apart = torch.cdist(points, outline)
    if discrete:
        return apart.amin(dim=2)
    nearest = apart.argmin(dim=2)
    corner = _pick(outline, nearest)
    sides = [_pick(outline.roll(shift, dims=1), nearest) - corner for shift in (1, -1)]
    offset = points - corner
    return torch.minimum(*(_to_side(offset, side) for side in sides))


def _pick(outline: Tensor, index: Tensor) -> Tensor:
    """Return the corners `(B, T, D)` of an outline `(B, M, D)` with indices `(B, T)`."""
    return outline.gather(1, index[..., None].expand(-1, -1, outline.shape[2]))


def _to_side(offset: Tensor, side: Tensor) -> Tensor:
    """Return the distance of `offset` from the segment from 0 to `side`, both `(..., D)`."""
    along = (offset * side).sum(-1, keepdim=True) / side.square().sum(-1, keepdim=True)
    return (offset - along.clamp(0, 1) * side).norm(dim=-1)


def embed(values: Tensor, lags: Tensor, longest: int) -> Tensor:
    """Return the delay embedding `(x_t, x_{t+lag})` of `(B, T)`, as `(B, T - longest, 2)`.

    Takens (1981). Each row has its lag in steps, `lags` `(B,)`, at most `longest`.
    """
    kept = max(values.shape[1] - longest, 0)
    later = torch.arange(kept, device=values.device) + lags[:, None]
    return torch.stack([values[:, :kept], values.gather(1, later)], dim=2)


def embed_outline(outline: Tensor, turns: Tensor) -> Tensor:
    """Return the delay embedding of an outline `(B, M)`, with lags in turns `(B,)`."""
    num_points = outline.shape[1]
    ahead = turns[:, None] * num_points + torch.arange(num_points, device=outline.device)
    below = ahead.floor()
    index = below.long() % num_points
    later = torch.lerp(
        outline.gather(1, index), outline.gather(1, (index + 1) % num_points), ahead - below
    )
    return torch.stack([outline, later], dim=2)


def phases(points: Tensor, outline: Tensor, periods: Tensor) -> Tensor:
    """Return the phase `(B, T)` in turns of points `(B, T, D)` on an outline `(B, M, D)`.

    Phases increase at constant speed from the best of M initial ones, with which the whole row is
    nearest to the outline: so a point where the curve crosses itself has the right one of its two
    phases. `periods` `(B,)` are in steps.
    """
    num_points = outline.shape[1]
    turns = torch.arange(points.shape[1], device=points.device) / periods[:, None]
    steps = (turns * num_points).round().long()
    apart = torch.stack(
        [
            (_pick(outline, (start + steps) % num_points) - points).square().sum((1, 2))
            for start in range(num_points)
        ]
    )
    return (apart.argmin(dim=0)[:, None] / num_points + turns) % 1


def period(points: Tensor, shortest: float, longest: float) -> Tensor:
    """Estimate the period `(B,)` of each row of `(B, T, D)` in steps; NaN if there is none.

    It is the lag at which the orbit is nearest to itself: the first clear minimum of

        d(lag) = mean_t |x_{t+lag} - x_t|^2

    (the difference function of YIN: de Cheveigné and Kawahara, 2002, eq. 6) between 0.9 times
    the shortest and 1.9 times the longest expected period, interpolated by a parabola through the
    minimum and its neighbours. A row must have at least two of the longest periods.
    """
    length = points.shape[1]
    first = max(1, math.floor(0.9 * shortest) - 1)
    last = min(math.ceil(1.9 * longest) + 1, length - math.ceil(shortest / 2))
    if length < 2 * longest or last - first < 2:
        return points.new_full(points.shape[:1], math.nan)
    apart = torch.stack(
        [
            (points[:, lag:] - points[:, :-lag]).square().sum(2).mean(1)
            for lag in range(first, last + 1)
        ],
        dim=1,
    )  # (B, lags)
    before, here, after = apart[:, :-2], apart[:, 1:-1], apart[:, 2:]
    least = here.amin(dim=1, keepdim=True)
    clear = here <= least + 0.2 * (apart.mean(dim=1, keepdim=True) - least)
    minimum = (here < before) & (here <= after) & clear
    index = minimum.int().argmax(dim=1, keepdim=True)  # of the first minimum
    left, low, right = (values.gather(1, index).squeeze(1) for values in (before, here, after))
    shift = (left - right) / (2 * (left - 2 * low + right))
    return torch.where(minimum.any(dim=1), first + 1 + index.squeeze(1) + shift, math.nan)
