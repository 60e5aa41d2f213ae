"""Threads of the arithmetic on the CPU, and what it does with numbers too small for full precision.

A float below 1.2e-38 (a double below 2.2e-308) is denormal: many processors handle it in microcode,
a hundred times slower than others. The gradient of an early step in a long sequence shrinks through
these to 0, so that most of a backward pass may be spent on numbers that change nothing. Flushing
denormals is taking 0 in their place, as GPUs do.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch

_SMALLEST_NORMAL = 2.0**-1022


@contextmanager
def arithmetic(cfg: Mapping[str, Any]) -> Iterator[None]:
    """Compute with the `threads` and `flush_denormals` of a run's config inside, as before after.

    A config without `flush_denormals` was written before there was that setting, and flushes none.
    """
    threads, flushed = torch.get_num_threads(), flushes_denormals()
    set_arithmetic(cfg)
    try:
        yield
    finally:
        restore_arithmetic(threads, flushed)


def set_arithmetic(cfg: Mapping[str, Any]) -> None:
    """Set what `arithmetic` sets, for good: `global_state_restored` restores it."""
    torch.set_num_threads(cfg["threads"])
    flush_denormals(bool(cfg.get("flush_denormals", False)))


def restore_arithmetic(threads: int, flushed: bool) -> None:
    """Set the number of threads, and whether they flush denormals, to what they were before."""
    flush_denormals(flushed)  # first, in all threads that `arithmetic` used
    torch.set_num_threads(threads)


def flushes_denormals() -> bool:
    """Whether this thread takes 0 in place of denormal numbers."""
    return _SMALLEST_NORMAL * _HALF == 0.0


_HALF = float("0.5")  # not a constant that the interpreter could multiply beforehand


def flush_denormals(on: bool) -> None:
    """Let this thread, and those that torch divides its work among, flush denormals or keep them.

    Processors have a flag for it in each thread. Processors without it keep denormals.
    """
    threads = torch.get_num_threads()
    if on == flushes_denormals() and (threads == 1 or _team() == (threads, on)):
        return
    for dtype in (np.float32, np.float64):
        np.finfo(dtype)  # numpy 1 computes the smallest denormal once, and warns if that is 0
    torch.set_flush_denormal(on)
    parallel = openmp_parallel()
    if parallel is not None and threads > 1:
        parallel(_Work(lambda _: torch.set_flush_denormal(on) and None), None, threads, 0)
    _LOCAL.team = threads, on


_LOCAL = threading.local()


def _team() -> tuple[int, bool] | None:
    """Return how many threads this one set last, and to what; to set them takes 1.4 ms."""
    return getattr(_LOCAL, "team", None)


_Work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def openmp_parallel() -> Callable[..., None] | None:
    """Return OpenMP's function that runs work in each thread of torch's pool, or `None`.

    Torch has none: its own sets the flag of the calling thread alone. On Linux this is the function
    that each of torch's parallel loops calls.
    """
    try:
        parallel = ctypes.CDLL(torch._C.__file__).GOMP_parallel
    except (OSError, AttributeError):  # another system, or a torch without OpenMP
        return None
    parallel.argtypes = [_Work, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None
    return parallel
