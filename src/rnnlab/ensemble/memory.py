"""How many members memory holds at once, and how to keep it from one update to the next."""

import ctypes
import os
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from rnnlab.ensemble.stacking import Stacked
from rnnlab.experiment.experiment import Experiment
from rnnlab.spec import map_batch

_SHARE = 0.5  # of what is free; the rest is for what is not counted here
_COPIES = 8  # of the parameters: weights, gradient, optimizer, best, and what checkpoints hold
_MOST = 256  # each member has some files open
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def members_that_fit(cfg: DictConfig) -> int:
    """Estimate how many runs with such settings can train as one group, at least 1."""
    return max(1, min(_MOST, int(_SHARE * _available() / bytes_of_member(cfg))))


def bytes_of_member(cfg: DictConfig) -> int:
    """Count what one member's update keeps until its gradient is known, and its parameters."""
    experiment = Experiment.assemble(cfg)
    stacked = Stacked([experiment.model])
    batch = map_batch(lambda part: part[None], experiment.data.train(0))
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    flat = stacked.flat.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        output, gradients = stacked(  # as large as what they are of
            lambda model, own: (model(own)[0], model(own)[0]), flat, batch, shared=False
        )
        loss = experiment.task.loss(output[0], experiment.data.train(0))
    del loss, output, gradients
    return sum(kept.values()) + _COPIES * flat.numel() * flat.element_size()


def keep_freed_blocks() -> None:
    """Let the C library keep large freed blocks, where it is one that can be told to (glibc).

    It gives them back to the system otherwise, and fresh pages at every update made a group of 64
    LSTMs take half as long again.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if tell is not None:
        tell(_M_MMAP_THRESHOLD, 2**30)
        tell(_M_TRIM_THRESHOLD, 2**31 - 1)


def _available() -> int:
    """Give the bytes of memory that are free, or could be."""
    info = Path("/proc/meminfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return 2**31
