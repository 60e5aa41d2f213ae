"""The steps at which a model answers: its readout is needed at these alone."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from rnnlab.models.base import Model
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch


def can_select_steps(model: Model) -> TypeGuard[Stream]:
    """Whether the readout can be computed at some of the steps only."""
    return isinstance(model, Stream) and model.horizon is None and not model.taught


def answered_steps(batch: Batch) -> list[int] | None:
    """Return the steps at which the mask is True in any row; `None` if every step is one."""
    steps = batch.mask.flatten(0, -2).numpy().any(axis=0)  # torch is slow along this axis
    return None if steps.all() else np.flatnonzero(steps).tolist()


def select_steps(batch: Batch, steps: Sequence[int] | None) -> Batch:
    """Keep targets and masks of some steps only, and the whole input; `None` keeps all."""
    if steps is None:
        return batch
    dim = batch.mask.dim() - 1
    length = len(steps)
    consecutive = length > 0 and steps[-1] - steps[0] == length - 1

    def at_steps(part: Tensor) -> Tensor:
        if consecutive:
            return part.narrow(dim, steps[0], length)
        return part.index_select(dim, _index(tuple(steps), part.device))

    target_mask = None if batch.target_mask is None else at_steps(batch.target_mask)
    return batch._replace(
        target=at_steps(batch.target), mask=at_steps(batch.mask), target_mask=target_mask
    )


@lru_cache(maxsize=64)
def _index(steps: tuple[int, ...], device: torch.device) -> Tensor:
    """Return steps that are copied to a device once, for a CUDA graph can't copy them."""
    return torch.tensor(steps, dtype=torch.int64, device=device)
