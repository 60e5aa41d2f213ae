"""How many members fit into memory, and how to keep freed memory between updates."""

import ctypes
import os
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.experiment.experiment import Experiment
from rnnlab.spec import map_batch

_SHARE = 0.5  # of the available memory; the rest is for what is not counted here
_COPIES = 8  # of the parameters: weights, gradient, optimizer, best weights, checkpoints
_MOST = 256  # members, since each has some files open
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def members_that_fit(cfg: DictConfig) -> int:
    """Estimate how many members with this config fit into memory, at least 1."""
    return max(1, min(_MOST, int(_SHARE * _available() / bytes_of_member(cfg))))


def bytes_of_member(cfg: DictConfig) -> int:
    """Count the bytes of one member's parameters and of what autograd saves in an update."""
    experiment = Experiment.assemble(cfg)
    stacked = StackedModel([experiment.model.eval()])  # dropout draws nothing
    batch = map_batch(lambda part: part[None], experiment.data.train(0))
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    flat = stacked.flat.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        output, gradients = stacked(  # gradients are as large as outputs
            lambda model, own: (model(own)[0], model(own)[0]), flat, batch, shared=False
        )
        loss = experiment.task.loss(output[0], experiment.data.train(0))
    del loss, output, gradients
    return sum(saved.values()) + _COPIES * flat.numel() * flat.element_size()


def keep_freed_blocks() -> None:
    """Make glibc keep large freed blocks; other C libraries are left as they are.

    Otherwise it returns them to the system, and new pages at every update made a group of 64 LSTMs
    1.5 times slower.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _available() -> int:
    """Return the bytes of available memory."""
    info = Path("/proc/meminfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return 2**31
