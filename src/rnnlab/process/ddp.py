"""Collective functions of DDP processes, which also work in a single process."""

from typing import Any

from torch import distributed


def is_single_process() -> bool:
    """Whether this process trains without other ranks."""
    return not (distributed.is_available() and distributed.is_initialized())


def all_gather(value: Any) -> list[Any]:
    """Return the values of all ranks in order; all ranks must call this."""
    if is_single_process():
        return [value]
    values = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values
