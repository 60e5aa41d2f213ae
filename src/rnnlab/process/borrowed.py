"""What belongs to the whole process, used for a while and given back as it was."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rnnlab.process.processes import random_states, restore_random_states

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  # Lightning sets it with trainer.deterministic
_LOGGERS = ("lightning.pytorch", "lightning.fabric")  # they say what nobody asked
_LOCK = threading.RLock()


@contextmanager
def borrowed() -> Iterator[None]:
    """Give back what training and building change in this process; one thread at a time has it.

    These are the random numbers of torch, numpy and Python (dropout and layers draw from torch's
    one generator), the number of threads, torch's flags of determinism and the levels of
    Lightning's loggers. Nor does it matter to a run whether its caller computes in doubles or
    without gradients. A second thread waits here until the first is done.
    """
    with _LOCK:
        random, cublas = random_states(), os.environ.get(_CUBLAS)
        on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        num_threads, cudnn = torch.get_num_threads(), torch.backends.cudnn
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
            restore_random_states(random)
            if on_devices:
                torch.cuda.set_rng_state_all(on_devices)
            if cublas is None:
                os.environ.pop(_CUBLAS, None)
            torch.set_num_threads(num_threads)
            cudnn.benchmark, cudnn.deterministic = flags
            if torch.are_deterministic_algorithms_enabled() != deterministic:
                torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)  # slow


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute on so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
