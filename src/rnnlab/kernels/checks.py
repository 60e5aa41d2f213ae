"""Refuses tensors that a kernel would read or write beyond."""

from collections.abc import Sequence
from ctypes import c_int64, c_void_p

import torch
from torch import Tensor

from rnnlab.kernels.arguments import Kernel, Readout, Tensors
from rnnlab.kernels.library import cell_blocks, cpp_function


def check(kernel: Kernel, cell: Tensors, steps: Sequence[int] | None, judged: bool) -> None:
    """Refuse tensors that a kernel would read or write beyond.

    Raises:
        ValueError: a shape or a type is not the one that the others ask for, or a step is not one.
        IndexError: a one-hot input has an index below 0 or above its size.
    """
    members, batch, fed = cell.hidden.shape
    size = fed if kernel.name == "scan" else cell.bias.shape[-1]
    inputs, columns = cell.inputs, cell.input_weight.shape[-1] // kernel.taps
    length = inputs.shape[-2] if inputs.is_floating_point() else inputs.shape[-1]
    sums, of_input, of_state, remembers = 1, 1, 1, int(kernel.name == "jordan")
    if kernel.name == "scan":
        sums, of_input, of_state, remembers = cell_blocks(kernel.cell, kernel.cells)
    taught = 2 * fed if kernel.taught and not judged else 0
    width = (columns + taught,) if inputs.is_floating_point() else ()
    wanted: dict[str, tuple[int, ...]] = {
        "input_weight": (members, of_input * size, kernel.taps * columns),
        "state_weight": (members, of_state * size, fed),
        "bias": (members, sums * size),
        "readout_weight": (members, fed, size),
        "readout_bias": (members, fed),
        "hidden": (members, batch, (kernel.taps - 1) * columns if kernel.name == "taps" else fed),
        "memory": (members, batch, fed * remembers),
        "inputs": (*inputs.shape[: inputs.dim() - 2 - len(width)], batch, length, *width),
        "mask": (members, batch, length),
    }
    for name, shape in wanted.items():
        part = getattr(cell, name)
        if part is None:
            continue
        if part.shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {tuple(part.shape)}")
        kinds = {"mask": (torch.bool,), "inputs": (torch.float32, torch.int64)}
        if part.dtype not in kinds.get(name, (torch.float32,)):
            raise ValueError(f"{name} must not be of {part.dtype}")
    if not inputs.is_floating_point():
        check_range("one-hot inputs", inputs, None, columns)
    if steps is not None and list(steps) != sorted(set(steps).intersection(range(length))):
        raise ValueError(f"steps must ascend from 0 to {length - 1}, got {list(steps)}")


def check_range(name: str, ids: Tensor, mask: Tensor | None, classes: int) -> None:
    """Refuse ids that are not classes, where the mask is true."""
    in_range = cpp_function("rnnlab_in_range")
    pointer = None if mask is None else c_void_p(mask.data_ptr())
    if not in_range(c_void_p(ids.data_ptr()), pointer, c_int64(ids.numel()), c_int64(classes)):
        raise IndexError(f"{name} must be from 0 to {classes - 1}")


def check_readout(readout: Readout, asked: Sequence[int], size: int, classes: int) -> None:
    """Refuse a readout and targets that don't fit a call, as `check` does.

    Args:
        readout: both.
        asked: N, B and S of the outputs.
        size: H.
        classes: O.
    """
    members, batch, wanted = asked
    expected: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "weight": ((members, classes, size), torch.float32),
        "bias": ((members, classes), torch.float32),
        "target": ((members, batch, wanted), torch.int64),
        "mask": ((members, batch, wanted), torch.bool),
    }
    for name, (shape, dtype) in expected.items():
        part = getattr(readout, name)
        if part.shape != shape or part.dtype != dtype:
            raise ValueError(
                f"the readout's {name} must have the shape {shape} and {dtype}, got "
                f"{tuple(part.shape)} and {part.dtype}"
            )
    check_range("targets", readout.target, readout.mask, classes)
