"""Global state of the process, such as random generators and threads, changed and restored."""

import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from rnnlab.process.arithmetic import flushes_denormals, restore_arithmetic
from rnnlab.process.untouched import LOCK

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  # Lightning sets it with trainer.deterministic
_LOGGERS = ("lightning.pytorch", "lightning.fabric")  # their messages below warnings are hidden


def random_states() -> dict[str, Any]:
    """Return the states of all global random generators, as tensors and plain containers."""
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
    """Restore the states of all global random generators."""
    torch.set_rng_state(states["torch"])
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


@contextmanager
def global_state_restored() -> Iterator[None]:
    """Restore the global state that building and training change; one thread at a time.

    This is the state of the random generators of torch, numpy and Python (initialisation and
    dropout use torch's global one), the number of threads, whether they flush denormals, torch's
    determinism flags and the levels of Lightning's loggers. Inside, the default dtype is float32
    and gradients are enabled, whatever the caller has set. A second thread waits until the first is
    done.
    """
    with LOCK:
        generators, cublas = random_states(), os.environ.get(_CUBLAS)
        on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        num_threads, flushed = torch.get_num_threads(), flushes_denormals()
        cudnn = torch.backends.cudnn
        flags = cudnn.benchmark, cudnn.deterministic
        deterministic = torch.are_deterministic_algorithms_enabled()
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        dtype = torch.get_default_dtype()
        try:
            for name in _LOGGERS:
                logging.getLogger(name).setLevel(logging.WARNING)
            torch.set_default_dtype(torch.float32)
            with torch.inference_mode(mode=False), torch.enable_grad():
                yield
        finally:
            torch.set_default_dtype(dtype)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            restore_random_states(generators)
            if on_devices:
                torch.cuda.set_rng_state_all(on_devices)
            if cublas is None:
                os.environ.pop(_CUBLAS, None)
            restore_arithmetic(num_threads, flushed)
            cudnn.benchmark, cudnn.deterministic = flags
            if torch.are_deterministic_algorithms_enabled() != deterministic:
                torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)  # slow
