"""Cells over all steps for N members by the kernels, equal to `unroll_loop` to float tolerance.

Nothing is kept for the backward pass, which computes the states again: one member's states stay in
the cache while they are needed, and memory for those of all members takes longer to write and read.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlab.ensemble.kernels import Arguments, call, fields, library

SCAN = "rnnlab_scan"
"""The kernel of cells whose state is what they put out: Elman, GRU, LSTM."""


class Way(NamedTuple):
    """How a net is run.

    Attributes:
        kernel: the kernel's name.
        code: which of its kinds.
        decay: of a Jordan network's context.
        taught: whether the right answers are fed back.
    """

    kernel: str
    code: int
    decay: float = 0.0
    taught: bool = False


class Net(NamedTuple):
    """A cell and what it runs over, as one member sees them.

    Attributes:
        weight: `(G, H, F + I)`, of what is fed back and of the inputs, of each of the G sums.
        bias: `(G, H)`.
        hidden: `(B, F)`, the first state: what is fed back, or the inputs before the first.
        cell: `(B, F)`, the first memory cell or context, or `(B, 0)`.
        inputs: `(B, T, I)`, or ids `(B, T)` in place of vectors that are 0 but for a 1 there.
    """

    weight: Tensor
    bias: Tensor
    hidden: Tensor
    cell: Tensor
    inputs: Tensor


class Readout(NamedTuple):
    """A linear readout of tokens, and what it should have said.

    Attributes:
        weight: `(O, H)`.
        bias: `(O)`.
        target: `(B, S)`.
        mask: `(B, S)`, which of them count.
    """

    weight: Tensor
    bias: Tensor
    target: Tensor
    mask: Tensor


def has_kernels(given: Iterable[Tensor]) -> bool:
    """Tell whether the kernels can take such numbers, and are there."""
    return library() is not None and all(
        part.is_cpu and (part.dtype == torch.float32 or not part.is_floating_point())
        for part in given
    )


class FusedScan(torch.autograd.Function):
    """A cell over all steps, for N members; to be called under `vmap` alone.

    Called with a `Way`, the steps whose states are wanted, and the parts of a `Net`. Gives the
    wanted states `(B, S, H)` and the last memory cell.
    """

    @staticmethod
    def forward(way: Way, steps: Sequence[int], *given: Tensor) -> tuple[Tensor, ...]:
        """Run forward; here every tensor has N first."""
        net = Net(*given)
        members, batch, size = net.hidden.shape
        states = net.hidden.new_empty(members, batch, len(steps), size)
        memory = torch.empty_like(net.cell)
        _call(_Task.FORWARD, way, steps, net, None, states=states, memory=memory)
        return states, memory

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        """Keep what `backward` needs."""
        ctx.way, ctx.steps, *given = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*given)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run there and back through time."""
        net = Net(*ctx.saved_tensors)
        states, memory = (None if grad is None else grad.contiguous() for grad in grads)
        found = _gradients(net, ctx.needs_input_grad[2:])
        reached = {"of_states": states, "of_memory": memory}
        _call(_Task.BACKWARD, ctx.way, ctx.steps, net, None, **reached, **found)
        return None, None, *found.values()

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *args: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Put N first in all that come in, and do the work for all members at once."""
        given = in_front(info.batch_size, in_dims[2:], args[2:])
        found = FusedScan.apply(*args[:2], *packed(given))
        return found, (0,) * len(found)


class FusedLoss(torch.autograd.Function):
    """The mean cross-entropy of a cell's answers, for N members.

    Called with a `Way`, the steps that are answered, and the parts of a `Net` and a `Readout`, in
    which every tensor has N first. Gives the losses `(N,)`, and their gradients, which are found
    with them.
    """

    @staticmethod
    def forward(way: Way, steps: Sequence[int], *given: Tensor) -> tuple[Tensor | None, ...]:
        """Run there and back."""
        net, readout = Net(*given[:5]), Readout(*given[5:])
        loss = net.bias.new_zeros(len(net.bias))
        found = _gradients(net, [part.requires_grad for part in net])
        learnt = (torch.zeros_like(readout.weight), torch.zeros_like(readout.bias))
        answer = _Answer(
            **readout._asdict(),
            classes=readout.weight.shape[1],
            loss=loss,
            of_weight=learnt[0],
            of_bias=learnt[1],
        )
        _call(_Task.LEARN, way, steps, net, answer, **found)
        nothing = loss.new_empty(len(loss), 0)
        return loss, *(nothing if part is None else part for part in found.values()), *learnt

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        """Keep the gradients."""
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients."""
        parts = (
            part * grads[0].view(-1, *[1] * (part.dim() - 1)) if needed else None
            for part, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[2:9], strict=True)
        )
        return None, None, *parts, None, None


class _Task(IntEnum):
    """As in unrolling.h."""

    FORWARD = 0
    BACKWARD = 1
    LEARN = 2


class _Unrolling(Arguments):
    """As in unrolling.h."""

    _fields_ = fields(
        "batch length inputs fed size wanted taught",
        "decay",
        "steps weight bias hidden cell numbers ids states memory "
        "of_states of_memory of_weight of_bias of_hidden of_cell of_inputs",
    )


class _Answer(Arguments):
    """As in answer.h."""

    _fields_ = fields("classes", "", "weight bias target mask loss of_weight of_bias")


def _call(
    task: _Task,
    way: Way,
    steps: Sequence[int],
    net: Net,
    answer: _Answer | None,
    **more: Tensor | None,
) -> None:
    members, _, size, columns = net.weight.shape
    fed = net.hidden.shape[2]
    wanted = torch.tensor(steps)
    ids = not net.inputs.is_floating_point()
    unrolling = _Unrolling(
        batch=net.hidden.shape[1],
        length=net.inputs.shape[2],
        inputs=columns - fed,
        fed=fed,
        size=size,
        wanted=len(wanted),
        taught=way.taught,
        decay=way.decay,
        steps=wanted,
        numbers=None if ids else net.inputs,
        ids=net.inputs if ids else None,
        **{name: part for name, part in net._asdict().items() if name != "inputs"},
        **more,
    )
    call(way.kernel, (way.code, task), (unrolling, answer), members)


def _gradients(net: Net, asked: Sequence[bool]) -> dict[str, Tensor | None]:
    """Make room for the gradients of a net; those of weights begin at 0."""
    weight, bias = torch.zeros_like(net.weight), torch.zeros_like(net.bias)
    others = [
        torch.empty_like(part) if needed else None
        for part, needed in zip(net[2:], asked[2:], strict=True)
    ]
    return dict(zip((f"of_{name}" for name in Net._fields), [weight, bias, *others], strict=True))


def packed(parts: Iterable[Tensor | None]) -> list[Tensor]:
    """Give tensors each in one piece, as the kernels take them."""
    return [part.contiguous() for part in parts if part is not None]


def in_front(members: int, in_dims: Sequence[int | None], parts: Sequence[Tensor]) -> list[Tensor]:
    """Give every tensor that `vmap` hands on N as its first axis."""
    return [
        part.expand(members, *part.shape) if dim is None else part.movedim(dim, 0)
        for part, dim in zip(parts, in_dims, strict=True)
    ]
