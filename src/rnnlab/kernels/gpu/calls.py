"""Calls of the Triton kernels: as `rnnlab.kernels.calls`, for tensors of a GPU.

Each operation takes and returns the same tensors as there.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnlab.kernels.arguments import Kernel, Options, Readout, Tensors
from rnnlab.kernels.gpu.call import LARGEST, Asked, Call, fits
from rnnlab.kernels.gpu.jordan_call import JordanCall, taught_inputs
from rnnlab.kernels.gpu.scan_call import ScanCall


def computes(kernel: Kernel, size: int, fed: int) -> bool:
    """Whether there is a kernel of this name for H hidden units that read F fed-back numbers."""
    if kernel.cells is not None or max(size, fed) > LARGEST:
        return False
    return kernel.name == "scan" or (kernel.name == "jordan" and fits(size, fed))


def forward(options: Options, cell: Tensors) -> tuple[Tensor, ...]:
    """Return outputs, the last `hidden` and `memory`, and a tape."""
    call = _call(options, cell)
    call.forward()
    return call.at_wanted(call.outputs()).transpose(1, 2), *call.last(), call.tape


def backward(
    options: Options,
    cell: Tensors,
    tape: Tensor | None,
    grads: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Return the gradients of `Tensors` but the mask, from those of the outputs of `forward`."""
    call = _call(options, cell, tape)
    if tape is None:
        call.forward()
    of_outputs, *of_last = grads[:3]
    rows = None if of_outputs is None else of_outputs.transpose(1, 2).contiguous()
    call.backward(rows, of_last)
    return call.gradients(needed)


def learn(
    options: Options, cell: Tensors, readout: Readout, needed: Sequence[bool]
) -> list[Tensor]:
    """Return losses, the last `hidden` and `memory`, and the gradients of all tensors."""
    right = torch.where(readout.mask, readout.target, -1).transpose(1, 2).contiguous().int()
    asked = Asked(right, readout.mask.flatten(1).sum(1).reciprocal())
    if options.kernel.name == "jordan":
        cell = cell._replace(readout_weight=readout.weight, readout_bias=readout.bias)
        if options.kernel.taught:
            cell, needed = cell._replace(inputs=taught_inputs(cell, right)), (*needed[:2], False)
    call = _call(options, cell)
    call.forward()
    loss = call.learn(readout, asked)
    of_cell = call.gradients(needed)
    of_readout, of_cell[3:5] = of_cell[3:5], (None, None)
    empty = loss.new_empty(len(loss), 0)
    of_all = (empty if part is None else part for part in (*of_cell, *of_readout))
    return [loss, *call.last(), *of_all]


def give_back(tape: Tensor) -> None:
    """Do nothing: torch keeps the memory of a GPU."""
    del tape


def _call(options: Options, cell: Tensors, tape: Tensor | None = None) -> Call:
    kind = JordanCall if options.kernel.name == "jordan" else ScanCall
    return kind(options, cell, tape)
