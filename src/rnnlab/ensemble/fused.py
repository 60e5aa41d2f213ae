"""Autograd functions that run N members' cells by kernels, equal to `unroll_loop` but for rounding.

The backward pass computes the states again instead of storing them: one member's states stay in the
cache while they are needed, and writing and reading those of all members takes longer.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlab.ensemble.kernels import Struct, load_kernels, run_kernel, struct_fields

SCAN = "rnnlab_scan"
"""The kernel of cells whose output is their hidden state: Elman, GRU, LSTM."""


class Kernel(NamedTuple):
    """A kernel, and the arguments of it that are not tensors.

    Attributes:
        name: the C++ function.
        kind: its number for the kind of cell or the activation.
        decay: of a Jordan network's context.
        teacher_forcing: whether a Jordan network's context gets the targets.
    """

    name: str
    kind: int
    decay: float = 0.0
    teacher_forcing: bool = False


class CellTensors(NamedTuple):
    """The tensors from which a kernel computes one member's states: F numbers are fed back.

    Attributes:
        weight: `(G, H, F + I)`, weights of the fed-back numbers and the inputs in each of G sums.
        bias: `(G, H)`.
        hidden: `(B, F)`, initial hidden state or output; of delay taps the inputs before step 0.
        cell: `(B, F)`, initial memory cell or context, or `(B, 0)`.
        inputs: `(B, T, I)`, or the indices `(B, T)` of one-hot inputs.
    """

    weight: Tensor
    bias: Tensor
    hidden: Tensor
    cell: Tensor
    inputs: Tensor


class ReadoutTensors(NamedTuple):
    """The tensors of one member's linear readout of logits and its cross-entropy.

    Attributes:
        weight: `(O, H)`.
        bias: `(O)`.
        target: `(B, S)`.
        mask: `(B, S)`.
    """

    weight: Tensor
    bias: Tensor
    target: Tensor
    mask: Tensor


def kernels_take(tensors: Iterable[Tensor]) -> bool:
    """Whether the kernels are available and compute with tensors of this device and dtype."""
    return load_kernels() is not None and all(
        tensor.is_cpu and (tensor.dtype == torch.float32 or not tensor.is_floating_point())
        for tensor in tensors
    )


class FusedScan(torch.autograd.Function):
    """A cell's unroll for N members; called under `vmap` only.

    Takes a `Kernel`, the steps whose states are returned, and `CellTensors`. Returns the states
    `(B, S, H)` at these steps and the last memory cell.
    """

    @staticmethod
    def forward(kernel: Kernel, steps: Sequence[int], *tensors: Tensor) -> tuple[Tensor, ...]:
        """Compute the states; every tensor has N as its first dimension here."""
        cell = CellTensors(*tensors)
        members, batch, size = cell.hidden.shape
        states = cell.hidden.new_empty(members, batch, len(steps), size)
        memory = torch.empty_like(cell.cell)
        _run(_Operation.FORWARD, kernel, steps, cell, None, states=states, memory=memory)
        return states, memory

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        """Save all inputs."""
        ctx.kernel, ctx.steps, *tensors = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Compute the states again, and from them the gradients."""
        cell = CellTensors(*ctx.saved_tensors)
        states, memory = (None if grad is None else grad.contiguous() for grad in grads)
        gradients = _gradient_buffers(cell, ctx.needs_input_grad[2:])
        incoming = {"of_states": states, "of_memory": memory}
        _run(_Operation.BACKWARD, ctx.kernel, ctx.steps, cell, None, **incoming, **gradients)
        return None, None, *gradients.values()

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *args: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Move N to the front of every tensor, and compute all members in one call."""
        tensors = _members_first(info.batch_size, in_dims[2:], args[2:])
        outputs = FusedScan.apply(*args[:2], *contiguous(tensors))
        return outputs, (0,) * len(outputs)


class FusedLoss(torch.autograd.Function):
    """The mean cross-entropy of N members' readouts, computed together with its gradients.

    Takes a `Kernel`, the answered steps, `CellTensors` and `ReadoutTensors`, every tensor with N as
    its first dimension. Returns the losses `(N,)`, then their gradients.
    """

    @staticmethod
    def forward(kernel: Kernel, steps: Sequence[int], *tensors: Tensor) -> tuple[Tensor, ...]:
        """Compute losses and gradients."""
        cell, readout = CellTensors(*tensors[:5]), ReadoutTensors(*tensors[5:])
        loss = cell.bias.new_zeros(len(cell.bias))
        gradients = _gradient_buffers(cell, [part.requires_grad for part in cell])
        of_readout = (torch.zeros_like(readout.weight), torch.zeros_like(readout.bias))
        answer = _Answer(
            **readout._asdict(),
            classes=readout.weight.shape[1],
            loss=loss,
            of_weight=of_readout[0],
            of_bias=of_readout[1],
        )
        _run(_Operation.LEARN, kernel, steps, cell, answer, **gradients)
        empty = loss.new_empty(len(loss), 0)
        of_cell = (empty if part is None else part for part in gradients.values())
        return loss, *of_cell, *of_readout

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        """Save the gradients."""
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the saved gradients by that of each member's loss."""
        parts = (
            part * grads[0].view(-1, *[1] * (part.dim() - 1)) if needed else None
            for part, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[2:9], strict=True)
        )
        return None, None, *parts, None, None


class _Operation(IntEnum):
    """`Operation` in unrolling.h."""

    FORWARD = 0
    BACKWARD = 1
    LEARN = 2


class _Unrolling(Struct):
    """`Unrolling` in unrolling.h."""

    _fields_ = struct_fields(
        "batch length inputs fed size wanted taught",
        "decay",
        "steps weight bias hidden cell numbers ids states memory "
        "of_states of_memory of_weight of_bias of_hidden of_cell of_inputs",
    )


class _Answer(Struct):
    """`Answer` in answer.h."""

    _fields_ = struct_fields("classes", "", "weight bias target mask loss of_weight of_bias")


def _run(
    operation: _Operation,
    kernel: Kernel,
    steps: Sequence[int],
    cell: CellTensors,
    answer: _Answer | None,
    **more: Tensor | None,
) -> None:
    members, _, size, columns = cell.weight.shape
    fed = cell.hidden.shape[2]
    wanted = torch.tensor(steps)
    one_hot = not cell.inputs.is_floating_point()
    unrolling = _Unrolling(
        batch=cell.hidden.shape[1],
        length=cell.inputs.shape[2],
        inputs=columns - fed,
        fed=fed,
        size=size,
        wanted=len(wanted),
        taught=kernel.teacher_forcing,
        decay=kernel.decay,
        steps=wanted,
        numbers=None if one_hot else cell.inputs,
        ids=cell.inputs if one_hot else None,
        **{name: part for name, part in cell._asdict().items() if name != "inputs"},
        **more,
    )
    run_kernel(kernel.name, (kernel.kind, operation), (unrolling, answer), members)


def _gradient_buffers(cell: CellTensors, needed: Sequence[bool]) -> dict[str, Tensor | None]:
    """Allocate the gradients of a cell's tensors; kernels add to those of weight and bias."""
    weight, bias = torch.zeros_like(cell.weight), torch.zeros_like(cell.bias)
    others = [
        torch.empty_like(part) if wanted else None
        for part, wanted in zip(cell[2:], needed[2:], strict=True)
    ]
    names = (f"of_{name}" for name in CellTensors._fields)
    return dict(zip(names, [weight, bias, *others], strict=True))


def contiguous(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Make every tensor contiguous, as kernels need."""
    return [tensor.contiguous() for tensor in tensors]


def _members_first(
    members: int, in_dims: Sequence[int | None], tensors: Sequence[Tensor]
) -> list[Tensor]:
    """Move or add N as the first dimension of every tensor of a `vmap` call."""
    return [
        tensor.expand(members, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(tensors, in_dims, strict=True)
    ]
