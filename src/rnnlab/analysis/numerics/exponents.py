"""Lyapunov exponents of differentiable maps by QR decomposition."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.analysis.numerics.tangents import push
from rnnlab.analysis.progress import within_budget

TimeMap = Callable[[int, Tensor], Tensor]
"""A map that depends on the step t: states `(B, D)` -> `(B, D)`, row by row."""


class LyapunovSpectrum(NamedTuple):
    """Lyapunov exponents along B trajectories, in nats per step.

    Attributes:
        exponents: `(B, K)`, largest first; -inf for directions in the null space of a step.
        running: `(steps, B, K)`, the running means of the exponents.
    """

    exponents: Tensor
    running: Tensor


def lyapunov_spectrum(
    step: TimeMap,
    start: Tensor,
    *,
    steps: int,
    transient: int,
    num_exponents: int,
    generator: torch.Generator,
    before: TimeMap | None = None,
) -> LyapunovSpectrum:
    """Compute the K largest Lyapunov exponents along trajectories.

        J_t Q_t = Q_{t+1} R_{t+1};  exponent_i = mean_t log |R_t[i, i]|

    Benettin et al. (1980), part 2; with QR as in Eckmann and Ruelle (1985), section V.C. For
    recurrent nets: Engelken, Wolf and Abbott (2023).

    Args:
        step: the map; its Jacobian is J.
        start: `(B, D)`, float64.
        steps: number of steps in the mean, fewer if the budget is spent.
        transient: number of steps before them, in which trajectory and directions converge.
        num_exponents: K <= D.
        generator: draws the initial directions.
        before: map of the states before step t, such as a reset to the start of the next
            sequence; the directions are kept.

    Raises:
        FloatingPointError: the states become infinite.
    """
    batch_size, size = start.shape
    frame = torch.randn(size, num_exponents, dtype=start.dtype, generator=generator)
    frame = torch.linalg.qr(frame.to(start.device))[0].expand(batch_size, -1, -1)
    states, growths = start, []
    for t in within_budget(range(transient + steps), "steps", least=transient + 1):
        if before is not None:
            states = before(t, states)
        states, pushed = push(lambda s, t=t: step(t, s), states, frame)  # type: ignore[misc]
        frame, triangle = torch.linalg.qr(pushed)
        if t >= transient:
            growths.append(_growths(pushed, triangle))
    if not bool(states.isfinite().all()):
        raise FloatingPointError("the states run away to infinity")
    total = torch.stack(growths).cumsum(0)
    order = total[-1].argsort(dim=1, descending=True)
    running = total / torch.arange(1, len(total) + 1, device=total.device)[:, None, None]
    running = running.gather(2, order.expand_as(running))
    return LyapunovSpectrum(running[-1], running)


def _growths(pushed: Tensor, triangle: Tensor) -> Tensor:
    """Return the log growth factors `(B, K)`; one within rounding errors counts as 0."""
    grown = triangle.diagonal(dim1=1, dim2=2).abs()
    rounding = torch.finfo(grown.dtype).eps * pushed.shape[1] * pushed.norm(dim=1)
    return grown.where(grown > rounding, 0.0).log()


def kaplan_yorke(exponents: Tensor, size: int) -> float | None:
    """Estimate the Kaplan-Yorke dimension from exponents `(K,)`, largest first.

        j + (sum of the j largest) / |exponent_{j+1}|,  j the largest number with a sum >= 0

    Kaplan and Yorke (1979). `None` if more than K of the `size` exponents are needed.
    """
    sums = exponents.cumsum(0)
    most = int((sums >= 0).sum())
    if most == len(exponents):
        return float(size) if most == size else None
    return most + float(sums[most - 1] / -exponents[most]) if most else 0.0
