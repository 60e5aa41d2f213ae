"""Weight initialisation."""

from typing import Literal

import torch
from torch import Tensor, nn

InputInit = Literal["uniform", "xavier", "orthogonal"]
RecurrentInit = Literal["uniform", "xavier", "orthogonal", "identity", "spectral"]


@torch.no_grad()
def init_input(weight: Tensor, kind: InputInit, *, gates: int = 1) -> None:
    """Initialise a `(gates * H, I)` input weight, each gate's `(H, I)` block separately.

    `uniform` is U(-1/sqrt(H), 1/sqrt(H)), torch's default for recurrent layers; `xavier` is
    uniform of variance 2 / (I + H) (Glorot and Bengio, 2010, eq. 16); `orthogonal` has
    orthonormal rows or columns (Saxe et al., 2014).
    """
    if weight.numel() == 0:
        return
    for block in weight.chunk(gates):
        _fill(block, kind, bound=block.shape[0] ** -0.5)


@torch.no_grad()
def init_recurrent(weight: Tensor, kind: RecurrentInit, scale: float, *, gates: int = 1) -> None:
    """Initialise a `(gates * H, H)` recurrent weight, each gate's block separately, times `scale`.

    The kinds of `init_input`, and: `identity` (Le, Jaitly and Hinton, 2015: with relu units, the
    IRNN); `spectral` is Gaussian and rescaled so that the spectral radius, the largest absolute
    eigenvalue, is exactly `scale` (Jaeger, 2001).
    """
    for block in weight.chunk(gates):
        if kind == "identity":
            nn.init.eye_(block)
        elif kind == "spectral":
            nn.init.normal_(block, std=block.shape[0] ** -0.5)
            block.div_(torch.linalg.eigvals(block.double()).abs().max().to(block.dtype))
        else:
            _fill(block, kind, bound=block.shape[0] ** -0.5)
        block.mul_(scale)


def _fill(block: Tensor, kind: InputInit, *, bound: float) -> None:
    if kind == "uniform":
        nn.init.uniform_(block, -bound, bound)
    elif kind == "xavier":
        nn.init.xavier_uniform_(block)
    else:
        nn.init.orthogonal_(block)
