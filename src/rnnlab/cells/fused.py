"""Torch's fused recurrent layers: one kernel call runs all time steps."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def unroll_fused(
    kernel: Callable[..., tuple[Tensor, ...]],
    inputs: Tensor,
    initial: Tensor | tuple[Tensor, Tensor],
    weights: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """Run one unidirectional layer over `(B, T, I)` inputs.

    Args:
        kernel: `torch.lstm`, `torch.gru`, `torch.rnn_tanh` or `torch.rnn_relu`.
        inputs: `(B, T, I)`.
        initial: hidden state `(1, B, H)`; for the LSTM the hidden state and the memory cell.
        weights: input weight, recurrent weight, input bias, recurrent bias, in torch's gate order.

    Returns:
        The outputs `(B, T, H)`, then the final states `(1, B, H)`.
    """
    return kernel(
        inputs,
        initial,
        in_one_chunk(weights),
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=torch.is_grad_enabled(),
        bidirectional=False,
        batch_first=True,
    )


def in_one_chunk(weights: Sequence[Tensor]) -> list[Tensor]:
    """Copy CUDA weights into one piece of memory, as cuDNN needs; leave CPU weights as they are.

    Given weights in separate pieces, cuDNN makes this copy itself in every call, with a warning.
    """
    return contiguous_views(weights) if weights[0].is_cuda else list(weights)


def contiguous_views(weights: Sequence[Tensor]) -> list[Tensor]:
    """Copy tensors into one flat tensor and return views of their shapes into it."""
    chunk = torch.cat([weight.flatten() for weight in weights])
    parts = chunk.split([weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
