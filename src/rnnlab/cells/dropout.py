"""Dropout whose masks depend on the shape alone."""

from torch import Tensor, nn


class Dropout(nn.Dropout):
    """`nn.Dropout` that draws in the order of the indices.

    torch draws in the order of the memory, which differs between the ways to unroll a cell: a
    cuDNN-like unroll returns steps first. So one seed would have other masks on another machine, or
    in a group.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop units of `(...)` features while training."""
        return super().forward(input.contiguous()) if self.training and self.p else input
