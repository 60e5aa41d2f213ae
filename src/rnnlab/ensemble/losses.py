"""The training losses of N members by one kernel call."""

from collections.abc import Sequence

from torch import Tensor, nn

from rnnlab.cells import Jordan
from rnnlab.ensemble.cell_kernels import cell_tensors, kernel_of
from rnnlab.ensemble.fused import CellTensors, FusedLoss, ReadoutTensors, contiguous, kernels_take
from rnnlab.ensemble.stacked_model import StackedModel
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
    if not (plain and type(model) is Stream and kernels_take([flat])):
        return None
    cell, *others = model.cell.layers
    kernel = kernel_of(cell)
    if kernel is None or others or model.horizon is not None or model.dropout.p:
        return None
    of_cell, of_readout = stacked(_tensors, flat, batch, shared=shared)
    wanted = range(of_readout.mask.shape[-1]) if steps is None else steps
    losses: Tensor = FusedLoss.apply(kernel, wanted, *contiguous((*of_cell, *of_readout)))[0]
    return losses


def _tensors(model: Model, batch: Batch) -> tuple[CellTensors, ReadoutTensors]:
    assert isinstance(model, Stream)
    (cell,), (state,) = model.cell.layers, model.begin(batch)
    readout = cell.readout if isinstance(cell, Jordan) else model.readout
    assert isinstance(readout, nn.Linear)
    inputs = batch.input if model.embed.one_hot else model.embed(batch.input)
    of_readout = ReadoutTensors(readout.weight, readout.bias, batch.target, batch.mask)
    return cell_tensors(cell, inputs, state), of_readout
