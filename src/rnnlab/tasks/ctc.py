"""Connectionist temporal classification: answers at every step, of which a text is read."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

BLANK = 0
"""The answer that says nothing."""
_SILENT = -1e4  # logit of all but the blank where nothing is answered


def collapse(ids: Tensor, mask: Tensor) -> Tensor:
    """Return what answers say: repeats are taken together, then blanks left out.

    Graves et al. (2006), section 3.1: the map B. `a a _ a b b` says `a a b`.

    Args:
        ids: `(B, T)` answers.
        mask: `(B, T)`, True on answered steps.

    Returns:
        `(B, T)`, the symbols, then blanks.
    """
    ids = torch.where(mask, ids, BLANK)
    said = (ids != BLANK) & (ids != F.pad(ids, (1, -1), value=BLANK))
    order = (~said).int().argsort(dim=1, stable=True)
    return torch.where(said, ids, BLANK).gather(1, order)


def ctc_nats(output: Tensor, text: Tensor, mask: Tensor) -> Tensor:
    """Return minus the log-probability of texts: of all answers that say them, together.

    Graves et al. (2006), eqs. 2-8.

    Args:
        output: `(B, T, V)` logits of the answers.
        text: `(B, L)` symbols, then blanks.
        mask: `(B, T)`, True on answered steps; at others the answer is the blank.

    Returns:
        `(B,)`; 10,000 or more where the answered steps are too few for a text.
    """
    silent = _SILENT * (torch.arange(output.shape[2], device=output.device) != BLANK)
    nats, _ = _Nats.apply(torch.where(mask[..., None], output, silent), text)
    return nats


class _Nats(torch.autograd.Function):
    """`torch.nn.functional.ctc_loss`, which `vmap` can't compute, of all members at once."""

    @staticmethod
    def forward(output: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the nats `(B,)` and their gradient `(B, T, V)`."""
        device = output.device
        if torch.are_deterministic_algorithms_enabled():  # which on a GPU it is not
            device = torch.device("cpu")
        logits, symbols = output.detach().to(device).requires_grad_(), text.to(device)
        lengths = (symbols != BLANK).sum(1)
        steps = torch.full_like(lengths, output.shape[1])
        with torch.enable_grad():
            log_probs = logits.log_softmax(2).transpose(0, 1)
            nats = F.ctc_loss(log_probs, symbols, steps, lengths, BLANK, reduction="none")
            (gradient,) = torch.autograd.grad(nats.sum(), logits)
        return nats.detach().to(output), gradient.to(output)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004
        """Save the gradient."""
        ctx.save_for_backward(output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_nats: Tensor, _: Tensor) -> tuple[Tensor, None]:
        """Weigh the gradients of the rows."""
        (gradient,) = ctx.saved_tensors
        return of_nats[:, None, None] * gradient, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *parts: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Compute the rows of all members as one batch."""
        count = info.batch_size
        members = (
            part.expand(count, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip(parts, in_dims, strict=True)
        )
        found = _Nats.apply(*(part.flatten(0, 1) for part in members))
        return tuple(part.unflatten(0, (count, -1)) for part in found), (0, 0)
