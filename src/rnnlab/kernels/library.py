"""Compile the kernels once a machine, load them, and call them.

They are plain C++ for GCC or Clang without any header of torch, so that compiling takes seconds,
and it is done at first use for the very processor that runs them. Where there is no compiler, or
`RNNLAB_KERNELS=off`, there are no kernels, and all goes on without them.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from rnnlab.output import note

_SOURCES = Path(__file__).parent
_FLAGS = ("-std=c++17", "-O3", "-DNDEBUG", "-fno-math-errno", "-fno-trapping-math", "-fPIC")
_NATIVE = ("-march=native", "-mcpu=native")  # this very processor, as compilers call it
_COMPILERS = ("c++", "g++", "clang++")


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
    compiler = _compiler()
    if compiler is None:
        return "there is no C++ compiler"
    try:
        return ctypes.CDLL(str(_compiled(compiler)))
    except subprocess.CalledProcessError as error:
        return f"{compiler} failed: {(error.stderr.strip() or 'no word').splitlines()[0]}"
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # no room, no home
        return str(error)


def _compiler() -> str | None:
    """Find a C++ compiler, that of `CXX` if it is set."""
    names = (os.environ["CXX"],) if os.environ.get("CXX") else _COMPILERS
    return next((found for found in map(shutil.which, names) if found), None)


def _compiled(compiler: str) -> Path:
    """Give the file of the compiled kernels, made now if these sources never were here."""
    sources = sorted(_SOURCES.glob("*.cpp"))
    texts = [file.read_text() for file in (*sources, *sorted(_SOURCES.glob("*.h")))]
    name = hashlib.sha256("\0".join([compiler, *_FLAGS, _processor(), *texts]).encode())
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(cache_home) / "rnnlab" / "kernels"
    file = directory / f"{name.hexdigest()[:16]}.so"
    if not file.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / "lock"):
            if not file.is_file():
                note("compiling the kernels for this machine, once")
                with tempfile.TemporaryDirectory(dir=directory) as scratch:
                    _compile(compiler, sources, Path(scratch) / file.name).replace(file)
    return file


def _compile(compiler: str, sources: Sequence[Path], file: Path) -> Path:
    """Make the library, its parts side by side.

    Raises:
        CalledProcessError: the compiler can't.
    """

    def run(*words: str | Path) -> None:
        command = [compiler, *_FLAGS, *words]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)

    def make(native: str) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda s, o: run(native, "-c", s, "-o", o), sources, objects))

    objects = [file.with_name(f"{source.stem}.o") for source in sources]
    try:
        make(_NATIVE[0])
    except subprocess.CalledProcessError:
        make(_NATIVE[1])
    run("-shared", *objects, "-o", file)
    return file


def _processor() -> str:
    """Name the processor and what it can do, for a home may be shared by unlike machines."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        told = [line for line in info.read_text().splitlines() if line.startswith("flags")]
        return f"{platform.machine()} {told[:1]}"
    return f"{platform.machine()} {platform.processor()}"


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
