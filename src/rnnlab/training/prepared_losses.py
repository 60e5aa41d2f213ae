"""Losses of kernels on a CPU, and their gradients, by calls that are prepared once."""

from typing import Any

import torch
from torch import Tensor

from rnnlab.kernels.calls import PreparedLoss, Readout, Tensors
from rnnlab.models.kernel_loss import Learnt, LossCall

_MOST = 8  # calls that are kept, each with the memory of its tensors
_OTHERS = ("hidden", "memory", "inputs")  # tensors that may need a gradient, besides the weights


class PreparedLosses:
    """Compute losses as `by_autograd` does, but leave their gradients to the parameters at once.

    What autograd does around the kernel takes longer than the kernel of a small net. Here it
    computes alone what lies before the kernel: embeddings, layers below, weights that are put
    together.
    """

    def __init__(self) -> None:
        self._prepared: dict[Any, _Prepared] = {}

    def __call__(self, call: LossCall) -> Learnt:
        """Compute a loss, where no parameter has a gradient yet."""
        learnt, grads = self._prepared_for(call)(call)
        below = [(part, grad) for part, grad in grads if not part.is_leaf]
        for part, grad in grads:
            if part.is_leaf:
                part.grad = grad
        if below:
            torch.autograd.backward([p for p, _ in below], [grad for _, grad in below])
        return learnt

    def _prepared_for(self, call: LossCall) -> "_Prepared":
        options, parts = call.options, (*call.tensors, *call.readout)
        steps = None if options.steps is None else tuple(options.steps)
        shapes = tuple(None if p is None else (p.shape, p.dtype, p.requires_grad) for p in parts)
        key = options.kernel, steps, options.horizon, torch.get_num_threads(), shapes
        found = self._prepared.get(key)
        if found is None:
            if len(self._prepared) == _MOST:
                del self._prepared[next(iter(self._prepared))]
            found = self._prepared[key] = _Prepared(call)
        return found


class _Prepared:
    """A prepared call, with tensors of its own."""

    def __init__(self, call: LossCall) -> None:
        own: list[Any] = [None if part is None else _own(part) for part in call.tensors]
        cell, readout = Tensors(*own), Readout(*map(_own, call.readout))
        needed = [getattr(call.tensors, name).requires_grad for name in _OTHERS]
        self._given = [part[0] for part in (*cell, *readout) if part is not None]
        self._loss = PreparedLoss(call.options, cell, readout, needed)

    def __call__(self, call: LossCall) -> tuple[Learnt, list[tuple[Tensor, Tensor]]]:
        """Return the loss, and tensors with their gradients."""
        parts = [part for part in (*call.tensors, *call.readout) if part is not None]
        with torch.no_grad():
            torch._foreach_copy_(self._given, parts)
        loss, hidden, memory, *grads = self._loss.again()
        learnt = zip((*call.tensors[:8], *call.readout[:2]), grads, strict=True)
        found = [(part, grad) for part, grad in learnt if part is not None and part.requires_grad]
        return Learnt(loss.clone(), hidden.clone(), memory.clone()), found


def _own(part: Tensor) -> Tensor:
    return part.detach()[None].clone(memory_format=torch.contiguous_format)
