"""The cross-entropy of a stream model by one kernel call, together with its gradients."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from rnnlab.cells import Jordan
from rnnlab.cells.base import usable_kernel
from rnnlab.kernels.arguments import Options, Readout, Tensors
from rnnlab.kernels.functions import UnrollLoss
from rnnlab.models.base import Model, is_observed
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch, Tokens
from rnnlab.state import State


def has_kernel_loss(model: Model, batch: Batch) -> TypeGuard[Stream]:
    """Whether a kernel can compute readout and cross-entropy of a model's answers to a batch.

    They are those of token logits that a stream model without dropout gives, with nobody looking
    on.
    """
    if type(model) is not Stream or not isinstance(model.spec.target, Tokens):
        return False
    drops = model.training and (model.dropout.p or model.cell.dropout.p)
    if drops or not _is_readable(batch) or is_observed(model):
        return False
    *lower, top = model.cell.layers
    if not top.fast or (lower and model.horizon is not None):
        return False
    kernel = usable_kernel(top, batch.input, horizon=model.horizon)
    return kernel is not None and not kernel.rest


def _is_readable(batch: Batch) -> bool:
    """Whether a batch has the types that a kernel reads."""
    return (
        batch.input.dtype in (torch.int64, torch.float32)
        and batch.target.dtype == torch.int64
        and batch.mask.dtype == torch.bool
        and batch.target_mask is None
    )


class LossCall(NamedTuple):
    """The call of a kernel that computes a loss.

    Attributes:
        options: the call but for its tensors.
        tensors: what the cell reads.
        readout: what the readout reads.
        final: returns the model's final state, given the last `hidden` and `memory`.
    """

    options: Options
    tensors: Tensors
    readout: Readout
    final: Callable[[Tensor, Tensor], State]


class Learnt(NamedTuple):
    """What the call of a kernel that computes a loss returns.

    Attributes:
        loss: `()`.
        hidden: the last one, without a gradient.
        memory: the last one likewise.
    """

    loss: Tensor
    hidden: Tensor
    memory: Tensor


def by_autograd(call: LossCall) -> Learnt:
    """Compute a loss to differentiate."""
    return Learnt(*UnrollLoss.apply(call.options, *call.tensors, *call.readout)[:3])


def loss_call(
    model: Stream,
    batch: Batch,
    state: State | None = None,
    steps: Sequence[int] | None = None,
) -> LossCall:
    """Return the call that computes the mean cross-entropy of a batch.

    Args:
        model: one that `has_kernel_loss`.
        batch: its targets and mask may be those of `steps` alone.
        state: before the first step, `None` for `model.begin(batch)`.
        steps: the answered steps, or `None` for all; only if `can_select_steps`.
    """
    state = model.begin(batch) if state is None else state
    inputs = batch.input if model.embed.one_hot else model.embed(batch.input)
    features, states = model.cell.unroll_below(inputs, state)
    top = model.cell.layers[-1]
    readout, kernel = top.readout if isinstance(top, Jordan) else model.readout, top.kernel()
    assert isinstance(readout, nn.Linear)
    assert kernel is not None
    tensors, final = kernel.read(features, state[-1], None)
    return LossCall(
        Options(kernel.kernel, steps, model.horizon),
        tensors._replace(readout_weight=None, readout_bias=None),
        Readout(readout.weight, readout.bias, batch.target, batch.mask),
        lambda hidden, memory: (*states, final(hidden, memory)),
    )


def kernel_loss(
    model: Stream,
    batch: Batch,
    state: State | None = None,
    steps: Sequence[int] | None = None,
    learn: Callable[[LossCall], Learnt] = by_autograd,
) -> tuple[Tensor, State | None]:
    """Compute the mean cross-entropy `()` of a batch without the outputs, and the final state.

    The state is detached, and `None` if no batch goes on from this one. `learn` makes the call; for
    the other arguments see `loss_call`.
    """
    learnt = learn(call := loss_call(model, batch, state, steps))
    return learnt.loss, None if batch.first is None else call.final(learnt.hidden, learnt.memory)
