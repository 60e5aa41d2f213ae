"""The minimal gated recurrent unit, whose gate doesn't see the state, so that time is parallel."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells.base import HiddenCell, last_real
from rnnlab.cells.init import InputInit, init_input
from rnnlab.ranges import PositiveInt, Real
from rnnlab.stackable import stackable


@stackable(initial=["update_bias", "input_init"])
class MinGRU(HiddenCell):
    """minGRU: update gate and candidate read the input alone.

        z_t = sigmoid(W_z x_t + b_z)
        n_t = W_n x_t + b_n
        h_t = (1 - z_t) * n_t + z_t * h_{t-1}

    Feng et al. (2024), Were RNNs all we needed?, section 3.1, where z and 1 - z change places: here
    z holds the state, as in `GRU`. Given the gates the state is linear in the state before, so that
    a scan can compute all steps at once. Weights are stacked in the order z, n.
    State: the hidden vector `(B, H)`; output: the same.

    Args:
        input_size: I.
        hidden_size: H.
        update_bias: initial value of b_z; a larger one holds the state longer.
        input_init: initialisation of each W.
    """

    def __init__(
        self, input_size: int, *, hidden_size: PositiveInt, update_bias: Real, input_init: InputInit
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = hidden_size
        self.input_weight = nn.Parameter(torch.empty(2 * hidden_size, input_size))
        self.bias = nn.Parameter(torch.zeros(2 * hidden_size))
        init_input(self.input_weight, input_init, gates=2)
        with torch.no_grad():
            self.bias[:hidden_size] = update_bias

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: `(B, I)`, `(B, H)` -> `(B, H)`, `(B, H)`."""
        update, written = self._update_and_written(input)
        hidden = written + update * state
        return hidden, hidden

    def gates(self, input: Tensor, state: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the activation of the gate in this step, `(B, H)` from 0 to 1."""
        return {"update": self._update_and_written(input)[0]}

    def _update_and_written(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and (1 - z) * n, each `(..., H)`."""
        update, candidate = F.linear(inputs, self.input_weight, self.bias).chunk(2, dim=-1)
        update = torch.sigmoid(update)
        return update, (1 - update) * candidate

    def unroll_fast(
        self, inputs: Tensor, state: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Compute the gates of all steps in one product, and then the states.

        On a CPU a scan takes four times as long as the loop (64 sequences of 40 to 200 steps).
        """
        update, written = self._update_and_written(inputs)
        outputs = (scan if inputs.is_cuda else loop)(update, written, state)
        return outputs, last_real(outputs, mask, state)


def loop(keep: Tensor, written: Tensor, state: Tensor) -> Tensor:
    """Return h_t = keep_t * h_{t-1} + written_t of all steps, `(B, T, H)`, step by step.

    Args:
        keep: `(B, T, H)`.
        written: `(B, T, H)`.
        state: `(B, H)`, h before the first step.
    """
    states = []
    for kept, new in zip(keep.unbind(1), written.unbind(1), strict=True):
        state = torch.addcmul(new, kept, state)
        states.append(state)
    return torch.stack(states, dim=1)


def scan(keep: Tensor, written: Tensor, state: Tensor) -> Tensor:
    """Return what `loop` returns, in log2(T + 1) rounds over all steps at once.

    After round r each step has what was written in the last 2^r steps, and the product of their
    `keep` (Hillis and Steele, 1986). It divides by nothing, so that small `keep` do no harm.
    """
    written = torch.cat([state[:, None], written], dim=1)
    keep = torch.cat([torch.zeros_like(state)[:, None], keep], dim=1)
    reach = 1
    while reach < written.shape[1]:
        written = written + keep * _later(written, reach)
        keep = keep * _later(keep, reach)
        reach *= 2
    return written[:, 1:]


def _later(steps: Tensor, by: int) -> Tensor:
    """Move `(B, T, H)` by some steps, after zeros."""
    return F.pad(steps[:, :-by], (0, 0, by, 0))
