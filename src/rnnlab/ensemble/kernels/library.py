"""Load the compiled kernels, and call them.

Where there is no compiler, or `RNNLAB_KERNELS=off`, there are no kernels, and all goes on without
them.
"""

import ctypes
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from shlex import join
from typing import Any

import torch
from torch import Tensor

from rnnlab.ensemble.kernels.compiling import compiled, compiler


def library() -> ctypes.CDLL | None:
    """Give the compiled kernels, or `None` where there are none."""
    loaded = _loaded()
    return loaded if isinstance(loaded, ctypes.CDLL) else None


def why_none() -> str | None:
    """Say why there are no kernels; `None` where there are."""
    loaded = _loaded()
    return loaded if isinstance(loaded, str) else None


@cache
def _loaded() -> ctypes.CDLL | str:
    """Give the compiled kernels, or why there are none."""
    if os.environ.get("RNNLAB_KERNELS") == "off":
        return "RNNLAB_KERNELS=off"
    command = compiler()
    if isinstance(command, str):
        return command
    try:
        try:
            return ctypes.CDLL(str(compiled(command)))
        except OSError:  # whole, and yet not of this system: the cache may be shared
            return ctypes.CDLL(str(compiled(command, anew=True)))
    except subprocess.CalledProcessError as error:
        return f"{join(command)} failed: {(error.stderr.strip() or 'no word').splitlines()[0]}"
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # no room, no home
        return str(error)


class Arguments(ctypes.Structure):
    """What a kernel is given: the fields of the C++ structure of the same name, by name.

    A tensor is given as its address, `None` as no address; whoever calls keeps them alive.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(**{name: _plain(value) for name, value in values.items()})


def fields(sizes: str, reals: str, tensors: str) -> list[tuple[str, Any]]:
    """Declare the fields of a structure that has sizes first, then doubles, then tensors."""
    return [
        *((name, ctypes.c_int64) for name in sizes.split()),
        *((name, ctypes.c_double) for name in reals.split()),
        *((name, ctypes.c_void_p) for name in tensors.split()),
    ]


def _plain(value: Any) -> Any:
    return value.data_ptr() if isinstance(value, Tensor) else value


def call(name: str, codes: Sequence[int], given: Sequence[Arguments | None], members: int) -> None:
    """Run a kernel for all members, shared out among the threads that torch may use.

    Args:
        name: the kernel's.
        codes: which of its ways to take.
        given: its arguments.
        members: N.

    Raises:
        MemoryError: there is too little.
    """
    kernel = getattr(library(), name)
    kernel.restype = ctypes.c_bool
    threads = min(torch.get_num_threads(), members)
    fixed: list[Any] = [ctypes.c_int(code) for code in codes]
    fixed += [None if arguments is None else ctypes.byref(arguments) for arguments in given]

    def share(n: int) -> bool:
        first, last = n * members // threads, (n + 1) * members // threads
        return bool(kernel(*fixed, ctypes.c_int64(first), ctypes.c_int64(last)))

    shares = range(threads)
    if not all(map(share, shares) if threads == 1 else _pool(threads).map(share, shares)):
        raise MemoryError("nets too large, or sequences too long, for the memory of this machine")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "rnnlab-kernels")
