"""Losses of kernels on a CPU, and their gradients, by calls that are prepared once."""

from typing import Any

import torch

from rnnlab.kernels.functions import one_member
from rnnlab.kernels.prepared_loss import PreparedLoss
from rnnlab.models.kernel_loss import Learnt, LossCall

_MOST = 8  # calls that are kept, each with the memory of its gradients


class PreparedLosses:
    """Compute losses as `by_autograd` does, but leave their gradients to the parameters at once.

    What autograd does around the kernel takes longer than the kernel of a small net. Here it
    computes alone what lies before the kernel: embeddings, layers below, weights that are put
    together.
    """

    def __init__(self) -> None:
        self._prepared: dict[Any, PreparedLoss] = {}

    def __call__(self, call: LossCall) -> Learnt:
        """Compute a loss, where no parameter has a gradient yet."""
        prepared = self._prepared_for(call)
        loss, hidden, memory, *grads = prepared.again(call.tensors, call.readout)
        parts, below = (*call.tensors[:8], *call.readout[:2]), []
        for part, grad in zip(parts, grads, strict=True):
            if part is None or not part.requires_grad:
                continue
            if part.is_leaf:
                part.grad = grad
            else:
                below.append((part, grad))
        if below:
            torch.autograd.backward([p for p, _ in below], [grad for _, grad in below])
        return Learnt(loss.clone(), hidden.clone(), memory.clone())

    def _prepared_for(self, call: LossCall) -> PreparedLoss:
        options, parts = call.options, (*call.tensors, *call.readout)
        steps = None if options.steps is None else tuple(options.steps)
        shapes = tuple(None if p is None else (p.shape, p.dtype, p.requires_grad) for p in parts)
        key = options.kernel, steps, options.horizon, torch.get_num_threads(), shapes
        found = self._prepared.get(key)
        if found is None:
            if len(self._prepared) == _MOST:
                del self._prepared[next(iter(self._prepared))]
            cell, readout = call.tensors, call.readout
            needed = [part.requires_grad for part in (cell.hidden, cell.memory, cell.inputs)]
            found = PreparedLoss(options, one_member(cell), one_member(readout), needed)
            self._prepared[key] = found
        return found
