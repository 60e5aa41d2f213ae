"""Learning rate schedulers, which multiply the configured learning rate by a factor.

The program passes the positional arguments: the optimizer, the updates of the whole run, and
whether a lower or a higher monitored metric is better. Keyword-only arguments are config keys.
"""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from rnnlab.metric import Mode
from rnnlab.ranges import Count, Probability, Share
from rnnlab.stackable import stackable

MakeScheduler = Callable[[Optimizer, int, Mode], LRScheduler | ReduceLROnPlateau]


@stackable()
def constant(
    optimizer: Optimizer,
    total_steps: int,  # noqa: ARG001
    mode: Mode,  # noqa: ARG001
) -> LRScheduler:
    """Keep the configured learning rate."""
    return LambdaLR(optimizer, lambda _: 1.0)


@stackable()
def warmup(
    optimizer: Optimizer,
    total_steps: int,  # noqa: ARG001
    mode: Mode,  # noqa: ARG001
    *,
    warmup_steps: Count,
) -> LRScheduler:
    """Increase linearly over the first `warmup_steps` updates, then stay constant."""
    return LambdaLR(optimizer, lambda step: _rise(step, warmup_steps))


@stackable()
def cosine(
    optimizer: Optimizer,
    total_steps: int,
    mode: Mode,  # noqa: ARG001
    *,
    warmup_steps: Count,
    final_factor: Probability,
) -> LRScheduler:
    """Increase linearly over `warmup_steps` updates, then decay by half a period of a cosine.

    The factor is `final_factor` at the last update. Loshchilov and Hutter (2017), eq. 5, without
    restarts.
    """

    def factor(step: int) -> float:
        share = min(max(step - warmup_steps, 0) / max(total_steps - warmup_steps, 1), 1.0)
        decay = final_factor + (1 - final_factor) * (1 + math.cos(math.pi * share)) / 2
        return _rise(step, warmup_steps) * decay

    return LambdaLR(optimizer, factor)


@stackable()
def plateau(
    optimizer: Optimizer,
    total_steps: int,  # noqa: ARG001
    mode: Mode,
    *,
    factor: Share,
    patience: Count,
) -> ReduceLROnPlateau:
    """Multiply by `factor` after more than `patience` validations in a row without a new best."""
    return ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience)


def _rise(step: int, warmup_steps: int) -> float:
    return min((step + 1) / (warmup_steps + 1), 1.0)
