"""The loss of a run on a CPU, and its gradients, by calls of a kernel that are prepared once."""

from typing import Any, cast

import torch
from torch import Tensor

from rnnlab.inference.evaluate import state_before
from rnnlab.kernels.calls import PreparedLoss, Readout, Tensors
from rnnlab.models.answers import answered_steps, select_steps
from rnnlab.models.kernel_loss import LossCall, loss_call, loss_kernel
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch
from rnnlab.state import detach
from rnnlab.training.module import SequenceModule

_MOST = 8  # calls that are kept, each with the memory of its tensors
_OTHERS = ("hidden", "memory", "inputs")  # tensors that may need a gradient, besides the weights


class PreparedSteps:
    """Training steps whose losses are those of a kernel.

    What autograd does around the kernel takes longer than the kernel of a small net. Here it
    computes alone what lies before the kernel: embeddings, layers below, weights that are put
    together.
    """

    def __init__(self, module: SequenceModule) -> None:
        self._module = module
        self._prepared: dict[Any, _Prepared] = {}

    def step(self, batch: Batch) -> dict[str, Any] | None:
        """Compute one, as `FastSteps.step` does."""
        module = self._module
        if not module.task.plain_loss:
            return None
        kernel = loss_kernel(module.model, batch)
        if kernel is None or batch.weight is not None:
            return None
        steps = answered_steps(batch) if module.selects_steps(batch) else None
        with torch.enable_grad():
            model = cast(Stream, module.model)  # which has a kernel
            state = state_before(model, batch, module.carried)
            call = loss_call(model, kernel, select_steps(batch, steps), state, steps)
        loss, grads, last = self._prepared_for(call)(call)
        for parameter in module.trained():
            parameter.grad = None
        below = [(part, grad) for part, grad in grads if not part.is_leaf]
        for part, grad in grads:
            if part.is_leaf:
                part.grad = grad
        if below:
            torch.autograd.backward([p for p, _ in below], [grad for _, grad in below])
        carries = batch.first is not None
        module.next_carried = detach(call.final(*map(Tensor.clone, last))) if carries else None
        return {"loss": loss, "mean": loss, "output": None}

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

    def __call__(
        self, call: LossCall
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]:
        """Return the loss, tensors with their gradients, and the last `hidden` and `memory`."""
        parts = [part for part in (*call.tensors, *call.readout) if part is not None]
        with torch.no_grad():
            torch._foreach_copy_(self._given, parts)
        loss, hidden, memory, *grads = self._loss.again()
        learnt = zip((*call.tensors[:8], *call.readout[:2]), grads, strict=True)
        found = [(part, grad) for part, grad in learnt if part is not None and part.requires_grad]
        return loss.clone(), found, (hidden, memory)


def _own(part: Tensor) -> Tensor:
    return part.detach()[None].clone(memory_format=torch.contiguous_format)
