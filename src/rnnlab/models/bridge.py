"""From the encoders' last states to the decoder's first."""

import torch
from torch import nn
from torch.nn import functional as F

from rnnlab.cells.init import init_input
from rnnlab.state import State, detach, flatten, structure, unflatten


class Bridge(nn.Module):
    """Turn the encoders' last states into the decoder's first.

    One encoder with states of the decoder's own shape: copied (Sutskever et al., 2014). Else
    tanh(W s + b) of all numbers side by side (Cho et al., 2014, appendix A.1.1).

    Args:
        sources: one state of each encoder, for its shape.
        target: one state of the decoder, for its shape.
    """

    def __init__(self, sources: list[State], target: State) -> None:
        super().__init__()
        self.copies = len(sources) == 1 and structure(sources[0]) == structure(target)
        self.template = detach(target)
        if not self.copies:
            size = sum(flatten(state).shape[1] for state in sources)
            self.weight = nn.Parameter(torch.empty(flatten(target).shape[1], size))
            self.bias = nn.Parameter(torch.zeros(len(self.weight)))
            init_input(self.weight, "xavier")

    def forward(self, finals: list[State]) -> State:
        """Last states of the encoders -> first state of the decoder."""
        if self.copies:
            return finals[0]
        flat = torch.cat([flatten(state) for state in finals], dim=1)
        return unflatten(torch.tanh(F.linear(flat, self.weight, self.bias)), self.template)
