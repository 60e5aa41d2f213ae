"""The training loss of N members, all at once where a kernel knows the whole net."""

from collections.abc import Sequence

from torch import Tensor, nn

from rnnlab.cells import Jordan
from rnnlab.ensemble.fused import FusedLoss, Net, Readout, has_kernels, packed
from rnnlab.ensemble.nets import net_of, way_of
from rnnlab.ensemble.stacking import Stacked
from rnnlab.models.base import Model
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks.base import Task


def losses_at_once(
    stacked: Stacked,
    flat: Tensor,
    task: Task,
    batch: Batch,
    *,
    shared: bool,
    steps: Sequence[int] | None,
) -> Tensor | None:
    """Give the training losses `(N,)` without the outputs; `None` where no kernel knows how.

    Args:
        stacked: the models.
        flat: `(N, P)`, their weights.
        task: whose loss it is.
        batch: `(N, B, ...)`, with the targets of `steps` alone.
        shared: whether it is `(B, ...)`, the same for all.
        steps: the answered ones, `None` for all.
    """
    model = stacked.model
    plain = type(task).loss is Task.loss and isinstance(task.spec.target, Tokens)
    if not (plain and type(model) is Stream and has_kernels([flat])):
        return None
    cell, *others = model.cell.layers
    way = way_of(cell)
    if way is None or others or model.horizon is not None or model.dropout.p:
        return None
    net, readout = stacked(_net_and_readout, flat, batch, shared=shared)
    wanted = range(readout.mask.shape[-1]) if steps is None else steps
    losses: Tensor = FusedLoss.apply(way, wanted, *packed((*net, *readout)))[0]
    return losses


def _net_and_readout(model: Model, batch: Batch) -> tuple[Net, Readout]:
    assert isinstance(model, Stream)
    (cell,), (state,) = model.cell.layers, model.begin(batch)
    readout = cell.readout if isinstance(cell, Jordan) else model.readout
    assert isinstance(readout, nn.Linear)
    inputs = batch.input if model.embed.one_hot else model.embed(batch.input)
    answer = Readout(readout.weight, readout.bias, batch.target, batch.mask)
    return net_of(cell, inputs, state), answer
