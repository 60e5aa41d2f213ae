"""The loss of a run on a GPU, and its gradients, by CUDA graphs."""

import torch
from torch import Tensor

from rnnlab.kernels.gpu.graphs import Graphs, Tensors
from rnnlab.models.kernel_loss import has_kernel_loss
from rnnlab.spec import Batch
from rnnlab.state import State, leaves, like
from rnnlab.training.module import Computed, SequenceModule

DEVICES = ("cuda",)  # that have graphs


class RecordedSteps:
    """Compute losses as `SequenceModule.compute` does, and leave their gradients to the parameters.

    Those that a kernel computes: they depend on nothing but parameters, batch and carried state. To
    launch the hundred kernels of a step of a small net takes longer than these compute.
    """

    def __init__(self, module: SequenceModule) -> None:
        self._module = module
        self._graphs = Graphs()
        self._template: State | None = None  # of the carried state

    def __call__(self, batch: Batch, carried: State | None) -> Computed | None:
        """Compute a loss, or return `None` if no kernel does."""
        module = self._module
        if not (module.task.plain_loss and has_kernel_loss(module.model, batch)):
            return None
        before = [] if carried is None else leaves(carried)
        losses, *found = self._graphs(self._compute, [*batch, *before])
        assert losses is not None
        loss, mean = losses.clone()
        trained = module.trained()
        for parameter, grad in zip(trained, found, strict=False):
            parameter.grad = grad
        after = _tensors(found[len(trained) :])
        return Computed(loss, mean, None, like(self._template, after) if after else None)

    def _compute(self, tensors: Tensors) -> Tensors:
        """Return both losses `(2)`, the gradients, and the parts of the state to carry on."""
        module, size = self._module, len(Batch._fields)
        batch, parts = Batch._make(tensors[:size]), _tensors(tensors[size:])
        carried = like(module.carried, parts) if parts else None
        with torch.enable_grad():
            computed = module.compute(batch, carried, logged=False)
            trained = module.trained()
            grads = torch.autograd.grad(computed.loss, trained, allow_unused=True)
        losses = torch.stack([computed.loss.detach(), computed.mean])
        if computed.carried is not None:
            self._template = computed.carried
        after = [] if computed.carried is None else leaves(computed.carried)
        laid = [g if g is None else _as(p, g) for p, g in zip(trained, grads, strict=True)]
        return [losses, *laid, *after]


def _tensors(parts: Tensors) -> list[Tensor]:
    return [part for part in parts if part is not None]


def _as(parameter: Tensor, grad: Tensor) -> Tensor:
    """Lay a gradient out in memory as its parameter is, which optimizers ask for."""
    if grad.stride() == parameter.stride():
        return grad
    return torch.empty_like(parameter).copy_(grad)
