"""Autograd functions that unroll cells by kernels, equal to `unroll_loop` but for rounding.

They add the dimension of N members for one net, and use that of `vmap`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rnnlab.kernels import calls
from rnnlab.kernels.arguments import Kernel, Options, Readout, Tensors, contiguous
from rnnlab.kernels.library import kernels_are_off, why_no_kernels


def kernels_take(*tensors: Tensor | None) -> bool:
    """Whether the kernels are available and compute with tensors of this device and dtype."""
    given = [tensor for tensor in tensors if tensor is not None]
    device = given[0].device.type
    return (
        all(t.device.type == device for t in given)
        and all(t.dtype == torch.float32 or not t.is_floating_point() for t in given)
        and device in ("cpu", "cuda")
        and not torch.is_autocast_enabled(device)
        and why_none_on(device) is None
    )


@cache
def why_none_on(device: str) -> str | None:
    """Return why no kernels are available for a type of device, or `None` if they are."""
    if device == "cpu":
        return why_no_kernels()
    if kernels_are_off():
        return "RNNLAB_KERNELS=off"
    return None if find_spec("triton") else "Triton is not installed"


@cache
def gpu_calls() -> Any:
    """Return the module of the kernels for a GPU, which needs Triton."""
    return import_module("rnnlab.kernels.gpu.calls")


def gpu_computes(kernel: Kernel, size: int, fed: int) -> bool:
    """Whether a kernel for a GPU computes a cell of H units that read F fed-back numbers."""
    return bool(gpu_calls().computes(kernel, size, fed))


def _calls_of(tensor: Tensor) -> Any:
    """Return the module whose kernels compute where a tensor is."""
    return calls if tensor.is_cpu else gpu_calls()


class Unroll(torch.autograd.Function):
    """Unroll a cell.

    Takes `Options` and `Tensors`. Returns the outputs `(B, S, O)`, the last `hidden` and `memory`
    (undefined for delay taps), and a tape for the backward pass.
    """

    @staticmethod
    def forward(options: Options, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        """Compute the outputs."""
        cell, single = _with_members(tensors)
        states, hidden, memory, tape = _calls_of(cell.hidden).forward(options, cell)
        return _without_members((states, hidden, memory, tape), single)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Save all inputs, and the tape."""
        ctx.options, *tensors = inputs
        ctx.mark_non_differentiable(output[3])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, output[3])
        ctx.threads = torch.get_num_threads() if ctx.options.taped else 0

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Compute the gradients; they take the tape's place, so that it serves once."""
        *tensors, tape = ctx.saved_tensors
        cell, single = _with_members(tensors)
        if single:
            grads = tuple(None if grad is None else grad[None] for grad in grads)
        usable = ctx.threads == torch.get_num_threads()
        ctx.threads = 0
        needed = ctx.needs_input_grad[6:9]
        kernels = _calls_of(cell.hidden)
        found = kernels.backward(ctx.options, cell, tape if usable else None, grads, needed)
        if usable:
            kernels.give_back(tape)
        return None, *_without_members(found, single), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *args: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Compute all members in one call.

        Without a tape on a CPU: to write and read those of N members takes longer than what they
        save.
        """
        tensors = _members_first(info.batch_size, in_dims[1:], args[1:])
        taped = args[0].taped and not tensors[0].is_cpu  # type: ignore[union-attr]
        outputs = Unroll.apply(replace(args[0], taped=taped), *tensors)
        return outputs, (0,) * len(outputs)


class UnrollLoss(torch.autograd.Function):
    """The mean cross-entropy of a cell's readout, computed together with its gradients.

    Takes `Options`, `Tensors` and `Readout`. Returns the loss `()`, the last `hidden` and `memory`
    without gradients, and the gradients of the loss.
    """

    @staticmethod
    def forward(options: Options, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        """Compute loss and gradients."""
        needed = [part is not None and part.requires_grad for part in tensors[5:8]]
        cell, single = _with_members(tensors[:9])
        given = Readout(*tensors[9:])  # type: ignore[arg-type]
        readout = one_member(given) if single else contiguous(given)
        found = _calls_of(cell.hidden).learn(options, cell, readout, needed)
        return _without_members(found, single)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        """Save the gradients."""
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output[3:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the saved gradients by that of each loss, which mostly is 1."""
        factor = grads[0]
        parts: list[Tensor | None] = [p if p.numel() else None for p in ctx.saved_tensors]
        if not factor.is_cpu or not bool((factor == 1).all()):  # to look would wait for a GPU
            ones = [1] * max(part.dim() for part in ctx.saved_tensors)
            parts = [
                None
                if p is None
                else p * factor.view(*factor.shape, *ones[: p.dim() - factor.dim()])
                for p in parts
            ]
        return None, *parts[:8], None, *parts[8:], None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *args: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Compute all members in one call."""
        outputs = UnrollLoss.apply(args[0], *_members_first(info.batch_size, in_dims[1:], args[1:]))
        return outputs, (0,) * len(outputs)


for _function in (Unroll, UnrollLoss):
    # Torch asks for it at each call, and inspects the function anew if it isn't there.
    _function.forward.__signature__ = signature(_function.forward)  # type: ignore[attr-defined]


def one_member(tensors: Any) -> Any:
    """Return contiguous tensors of one net with N in front."""
    return contiguous(type(tensors)(*(None if t is None else t[None] for t in tensors)))


def _with_members(tensors: Sequence[Tensor | None]) -> tuple[Tensors, bool]:
    """Return contiguous tensors with N in front, and whether there was no N."""
    cell = Tensors(*tensors)  # type: ignore[arg-type]
    single = cell.bias.dim() == 1
    return one_member(cell) if single else contiguous(cell), single


def _without_members(tensors: Sequence[Tensor | None], single: bool) -> tuple[Any, ...]:
    return tuple(part[0] if single and part is not None else part for part in tensors)


def _members_first(
    members: int, in_dims: Sequence[int | None], tensors: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Move or add N as the first dimension of every tensor of a `vmap` call."""
    return [
        tensor
        if tensor is None
        else tensor.expand(members, *tensor.shape)
        if dim is None
        else tensor.movedim(dim, 0)
        for tensor, dim in zip(tensors, in_dims, strict=True)
    ]
