"""How many members fit into memory, and how to keep freed memory between updates."""

import ctypes
import os
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.experiment.experiment import Experiment
from rnnlab.experiment.settings import resolve_accelerator
from rnnlab.spec import map_batch

_SHARE = 0.5  # of the available memory; the rest is for what is not counted here
_COPIES = 8  # of the parameters: weights, gradient, optimizer, best weights, checkpoints
_MOST = 256  # members on a CPU, where more gain nothing
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def members_that_fit(cfg: DictConfig) -> int:
    """Estimate how many members with this config fit into memory, at least 1."""
    if resolve_accelerator(cfg.trainer.accelerator) == "cpu":
        return max(1, min(_MOST, int(_SHARE * _available() / bytes_of_member(cfg))))
    free, _ = torch.cuda.mem_get_info()
    return max(1, int(_SHARE * free / bytes_on_gpu(cfg)))


def bytes_of_member(cfg: DictConfig) -> int:
    """Count the bytes of one member's parameters and of what autograd saves in an update."""
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        losses, parameters = _update(cfg, torch.device("cpu"))
    del losses
    return sum(saved.values()) + parameters


def bytes_on_gpu(cfg: DictConfig) -> int:
    """Measure the bytes of a GPU that one member takes in an update."""
    _update(cfg, torch.device("cuda"))[0].sum().backward()  # libraries take memory for good
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    losses, parameters = _update(cfg, torch.device("cuda"))
    losses.sum().backward()
    return torch.cuda.max_memory_allocated() - before + parameters


def _update(cfg: DictConfig, device: torch.device) -> tuple[Tensor, int]:
    """Return the loss `(1)` of a group of one, and the bytes of all copies of its parameters."""
    experiment = Experiment.assemble(cfg)
    stacked = StackedModel([experiment.model.eval()], device)  # dropout draws nothing
    own = map_batch(lambda part: part.to(device), experiment.data.train(0))
    flat = stacked.flat.requires_grad_()
    output, gradients = stacked(  # gradients are as large as outputs
        lambda model, own: (model(own)[0], model(own)[0]),
        flat,
        map_batch(lambda part: part[None], own),
        shared=False,
    )
    loss = experiment.task.loss(output[0], own) + 0 * gradients.sum()
    return loss[None], _COPIES * flat.numel() * flat.element_size()


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
