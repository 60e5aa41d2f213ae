"""The norm of a gradient, and clipping by it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def clip(parameters: Sequence[nn.Parameter], limit: float | None) -> Tensor:
    """Clip the gradient of some parameters by its norm, as `torch.nn.utils.clip_grad_norm_` does.

        g <- g min(1, limit / (|g| + 1e-6))

    Pascanu, Mikolov and Bengio (2013), algorithm 1. On the CPU a gradient that is short enough is
    left alone, which is the same as the product with 1 and costs nothing; on other devices finding
    that out would wait for the device.

    Args:
        parameters: some parameters; those without a gradient don't count.
        limit: the largest norm; `None` for no clipping.

    Returns:
        The norm before clipping.
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    if not grads or grads[0].device.type != "cpu":
        return nn.utils.clip_grad_norm_(parameters, float("inf") if limit is None else limit)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    # A norm that is NaN or infinite scales too, as in torch: it must not go unnoticed.
    if limit is not None and not float(norm) + 1e-6 < limit:
        torch._foreach_mul_(grads, (limit / (norm + 1e-6)).clamp(max=1.0))
    return norm
