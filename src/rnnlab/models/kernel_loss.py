"""The cross-entropy of a stream model by one kernel call, together with its gradients."""

from collections.abc import Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn

from rnnlab.cells import Jordan
from rnnlab.cells.base import usable_kernel
from rnnlab.kernels.calls import Options, Readout
from rnnlab.kernels.functions import UnrollLoss
from rnnlab.models.base import Model, is_observed
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch, Tokens
from rnnlab.state import State


def has_kernel_loss(model: Model, batch: Batch) -> TypeGuard[Stream]:
    """Whether a kernel can compute readout and cross-entropy of a model's answers to a batch.

    They are those of token logits that a model without dropout gives, with nobody looking on.
    """
    if type(model) is not Stream or not isinstance(model.spec.target, Tokens):
        return False
    drops = model.training and (model.dropout.p or model.cell.dropout.p)
    if drops or not _is_readable(batch) or is_observed(model):
        return False
    *lower, top = model.cell.layers
    kernel = usable_kernel(top, batch.input, horizon=model.horizon)
    if not top.fast or kernel is None or kernel.rest:
        return False
    return model.horizon is None or not lower


def _is_readable(batch: Batch) -> bool:
    """Whether a batch has the types that a kernel reads."""
    return (
        batch.input.dtype in (torch.int64, torch.float32)
        and batch.target.dtype == torch.int64
        and batch.mask.dtype == torch.bool
        and batch.target_mask is None
    )


def kernel_loss(
    model: Stream,
    batch: Batch,
    state: State | None = None,
    steps: Sequence[int] | None = None,
) -> tuple[Tensor, State | None]:
    """Compute the mean cross-entropy `()` of a batch without the outputs, and the final state.

    The state is detached, and `None` if no batch goes on from this one.

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
    kernel = top.kernel()
    assert kernel is not None
    readout = top.readout if isinstance(top, Jordan) else model.readout
    assert isinstance(readout, nn.Linear)
    tensors, final = kernel.read(features, state[-1], None)
    loss, hidden, memory, *_ = UnrollLoss.apply(
        Options(kernel.kernel, steps, model.horizon),
        *tensors._replace(readout_weight=None, readout_bias=None),
        *Readout(readout.weight, readout.bias, batch.target, batch.mask),
    )
    return loss, None if batch.first is None else (*states, final(hidden, memory))
