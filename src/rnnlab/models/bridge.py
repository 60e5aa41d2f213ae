"""The bridge from the encoders' final states to the decoder's initial state."""

import torch
from torch import nn
from torch.nn import functional as F

from rnnlab.cells.init import init_input
from rnnlab.state import State, detach, flatten, structure, unflatten


class Bridge(nn.Module):
    """Turn the encoders' final states into the decoder's initial state.

    The state of a single encoder is copied if it has the structure of the decoder's (Sutskever et
    al., 2014). Otherwise all states are concatenated to one vector s and the initial state is
    tanh(W s + b) (Cho et al., 2014, appendix A.1.1).

    Args:
        sources: a state of each encoder, as a template of its structure.
        target: a state of the decoder, as a template of its structure.
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
        """Map the final states of the encoders to the initial state of the decoder."""
        if self.copies:
            return finals[0]
        flat = torch.cat([flatten(state) for state in finals], dim=1)  # (B, size of all states)
        return unflatten(torch.tanh(F.linear(flat, self.weight, self.bias)), self.template)
