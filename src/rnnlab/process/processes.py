"""What each process of a training has for itself: its random numbers, its share of the rows."""

import random
from typing import Any

import numpy as np
import torch
from torch import distributed


def is_alone() -> bool:
    """Tell whether this process trains without others."""
    return not (distributed.is_available() and distributed.is_initialized())


def of_each(value: Any) -> list[Any]:
    """Give the values of all processes by their rank; all must ask."""
    if is_alone():
        return [value]
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def random_states() -> dict[str, Any]:
    """Give where this process's generators are, as tensors and plain containers."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    states = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
    }
    if torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(states: dict[str, Any]) -> None:
    """Put this process's generators where they were."""
    torch.set_rng_state(states["torch"])
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
