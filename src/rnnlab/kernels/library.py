"""Loads the compiled kernels and calls them.

Without a C++ compiler, or with `RNNLAB_KERNELS=off`, there are none: cells unroll by their loops.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from shlex import join
from typing import Any

from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.kernels.compiling import compiled_library, find_compiler

SCAN_CELLS = ("elman_tanh", "elman_sigmoid", "elman_relu", "gru", "lstm")
"""The cells of cells.h, in its order."""


def load_kernels(cells: Path | None = None) -> ctypes.CDLL | None:
    """Return the compiled kernels, or `None` if they are not available.

    Args:
        cells: a header with cells of somebody's own, which has kernels of its own.
    """
    loaded = _load(cells)
    return loaded if isinstance(loaded, ctypes.CDLL) else None


def kernels_are_off() -> bool:
    """Whether the user wants none."""
    return os.environ.get("RNNLAB_KERNELS") == "off"


def why_no_kernels(cells: Path | None = None) -> str | None:
    """Return why the kernels are not available, or `None` if they are."""
    loaded = _load(cells)
    return loaded if isinstance(loaded, str) else None


@cache
def _load(cells: Path | None) -> ctypes.CDLL | str:
    """Return the compiled kernels, or why they are not available."""
    if kernels_are_off():
        return "RNNLAB_KERNELS=off"
    command = find_compiler()
    if isinstance(command, str):
        return command
    try:
        try:
            return ctypes.CDLL(str(compiled_library(command, cells=cells)))
        except OSError:  # intact, but of another system: machines may share the cache
            return ctypes.CDLL(str(compiled_library(command, cells=cells, anew=True)))
    except subprocess.CalledProcessError as error:
        return f"{join(command)} failed: {_first_error(error.stderr)}"
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # disk full, no home
        return str(error)


def _first_error(output: str) -> str:
    lines = output.strip().splitlines()
    return next((line for line in lines if "error:" in line), lines[0] if lines else "no word")


@cache
def cell_index(name: str, cells: Path | None = None) -> int | None:
    """Return the index of a cell in the kernels, or `None` if those of a header are not available.

    Our own cells have theirs without a library too: kernels for GPUs share it.

    Raises:
        ConfigError: the header has no such cell, or can't be compiled.
    """
    if cells is None and name in SCAN_CELLS:
        return SCAN_CELLS.index(name)
    library = load_kernels(cells)
    if library is None:
        if cells is not None and load_kernels() is not None:
            raise ConfigError(f"the kernels of {cells} can't be used: {why_no_kernels(cells)}")
        return None
    index = int(library.rnnlab_scan_cell(name.encode()))
    if index < 0:
        raise ConfigError(f"{cells or 'cells.h'} has no cell of the name {name!r}")
    return index


@cache
def cell_blocks(index: int, cells: Path | None = None) -> tuple[int, int, int, int]:
    """Return how many sums, blocks of input and state weights, and memory cells a cell has."""
    numbers = (ctypes.c_int64 * 4)()
    cpp_function("rnnlab_scan_blocks", cells, None)(ctypes.c_int(index), numbers)
    sums, of_input, of_state, remembers = numbers
    return sums, of_input, of_state, remembers


class Struct(ctypes.Structure):
    """A C++ struct that a kernel reads, made from values by field name.

    A tensor is passed as its address and `None` as a null pointer; the caller keeps tensors alive.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(
            **{
                name: value.data_ptr() if isinstance(value, Tensor) else value
                for name, value in values.items()
            }
        )


def struct_fields(sizes: str, reals: str, tensors: str) -> list[tuple[str, Any]]:
    """Declare the fields of a struct: first sizes, then doubles, then tensors."""
    return [
        *((name, ctypes.c_int64) for name in sizes.split()),
        *((name, ctypes.c_double) for name in reals.split()),
        *((name, ctypes.c_void_p) for name in tensors.split()),
    ]


def cpp_function(
    name: str, cells: Path | None = None, result: Any = ctypes.c_bool
) -> Callable[..., Any]:
    """Return a C++ function of the kernels.

    Args:
        name: of the function.
        cells: a header with cells of somebody's own.
        result: the type of what it returns.
    """
    function = getattr(load_kernels(cells), name)
    function.restype = result
    return function
