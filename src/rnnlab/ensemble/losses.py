"""The training losses of N members by one kernel call."""

from collections.abc import Sequence

from torch import Tensor, nn

from rnnlab.cells import Jordan
from rnnlab.cells.base import declared_kernel, usable_kernel
from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.kernels.functions import Options, Readout, Tensors, UnrollLoss
from rnnlab.models.base import Model
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks.base import Task


def fused_losses(
    stacked: StackedModel,
    flat: Tensor,
    task: Task,
    batch: Batch,
    *,
    shared: bool,
    steps: Sequence[int] | None,
) -> Tensor | None:
    """Compute the training losses `(N,)` without the outputs; `None` if no kernel can.

    Kernels know the cross-entropy of token logits that a model of one layer gives.

    Args:
        stacked: the models.
        flat: `(N, P)`, their parameters.
        task: its loss is computed.
        batch: `(N, B, ...)`, or `(B, ...)` if `shared`, with targets and mask at `steps` only.
        shared: whether all members have the same batch.
        steps: the answered steps, or `None` for all.
    """
    model = stacked.model
    plain = type(task).loss is Task.loss and isinstance(task.spec.target, Tokens)
    if not (plain and type(model) is Stream) or model.dropout.p:
        return None
    cell, *others = model.cell.layers
    kernel = usable_kernel(cell, flat)
    if kernel is None or others or len(kernel.rest):
        return None
    if model.horizon is not None and not kernel.has_horizon:
        return None
    named, of_readout = stacked(_tensors, flat, batch, shared=shared)
    of_cell = (named.get(name) for name in Tensors._fields)
    options = Options(kernel.kernel, steps, model.horizon)
    losses: Tensor = UnrollLoss.apply(options, *of_cell, *of_readout)[0]
    return losses


def _tensors(model: Model, batch: Batch) -> tuple[dict[str, Tensor], Readout]:
    """Return what the kernel reads: `Tensors` by name, as `vmap` takes no None, and `Readout`."""
    assert isinstance(model, Stream)
    (cell,), (state,) = model.cell.layers, model.begin(batch)
    kernel = declared_kernel(cell)
    assert kernel is not None
    readout = cell.readout if isinstance(cell, Jordan) else model.readout
    assert isinstance(readout, nn.Linear)
    inputs = batch.input if model.embed.one_hot else model.embed(batch.input)
    tensors = kernel.tensors(inputs, state, None)
    tensors = tensors._replace(readout_weight=None, readout_bias=None)
    named = {name: part for name, part in tensors._asdict().items() if part is not None}
    return named, Readout(readout.weight, readout.bias, batch.target, batch.mask)
