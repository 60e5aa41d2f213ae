"""A readout of more classes than a program can hold, and its cross-entropy, by torch."""

import torch
from torch import Tensor

from rnnlab.kernels.arguments import Readout
from rnnlab.kernels.gpu.call import Asked


def answer(
    readout: Readout, rows: Tensor, asked: Asked
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Compute losses and their gradients.

    Args:
        readout: its weights alone are read.
        rows: `(N, S B, H)`.
        asked: what the answers should be.

    Returns:
        losses `(N)`, the gradient of the rows `(N, S, B, H)`, and those of weight and bias.
    """
    right = asked.right.flatten(1)[..., None].long()
    classes, shares = right.clamp(min=0), (right >= 0) * asked.share[:, None, None]
    logits = torch.baddbmm(readout.bias[:, None], rows, readout.weight.transpose(1, 2))
    logits = logits.log_softmax(2)
    loss = -(logits.gather(2, classes) * shares).sum((1, 2))
    of_logits = logits.exp_().scatter_add_(2, classes, -torch.ones_like(shares)).mul_(shares)
    of_rows = torch.bmm(of_logits, readout.weight).view(*asked.right.shape, -1)
    return loss, of_rows, (torch.bmm(of_logits.transpose(1, 2), rows), of_logits.sum(1))
