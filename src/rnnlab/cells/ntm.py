"""The neural Turing machine."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells.base import Cell
from rnnlab.cells.init import InputInit, init_input
from rnnlab.ranges import PositiveInt
from rnnlab.stackable import stackable

_BLANK = 1e-6  # numbers of an unwritten memory, which has a direction to be compared with
_AWAY = -20.0  # logarithm of a head's weight where it is not
_LEAST = 1e-12  # added to weights whose logarithm is taken
_SHIFTS = (-1, 0, 1)


class NTMState(NamedTuple):
    """The state of a neural Turing machine.

    Attributes:
        read: `(B, M)`, what was read last.
        memory: `(B, N, M)`.
        read_head: `(B, N)`, logarithms of its weights on the locations.
        write_head: `(B, N)`, the same.
    """

    read: Tensor
    memory: Tensor
    read_head: Tensor
    write_head: Tensor


@stackable(initial=["input_init"])
class NTM(Cell):
    """A neural Turing machine with a feed-forward controller, a write head and a read head.

        h_t = tanh(W x_t + U r_{t-1} + b)                              controller
        M_t = M_{t-1} * (1 - w_t sigmoid(e_t)') + w_t tanh(a_t)'       write head w
        r_t = M_t' v_t                                                 read head v

    Erase e, add a and the numbers of both heads are V h_t + c. A head moves by content, then by
    location: with key k, strength, gate g, shifts s of -1, 0, 1 and sharpness

        by content   softmax(softplus(strength) cos(k, M(i)))
        gated        g * by content + (1 - g) * old weights,   g = sigmoid(gate)
        shifted      circular convolution with softmax(s)
        sharpened    shifted ^ (1 + softplus(sharpness)), normalised

    Graves, Wayne and Danihelka (2014), Neural Turing machines, eqs. 2-9. It writes before it reads,
    and all begins alike: both heads at the first location, the memory nearly 0. Output: h and r.

    Args:
        input_size: I.
        hidden_size: size H of the controller.
        num_locations: N.
        location_size: M, numbers of a location.
        input_init: initialisation of all weights.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: PositiveInt,
        num_locations: PositiveInt,
        location_size: PositiveInt,
        input_init: InputInit,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = hidden_size + location_size
        self.num_locations, self.location_size = num_locations, location_size
        head = location_size + len(_SHIFTS) + 3
        self._parts = [head, head, location_size, location_size]
        self.input_weight = nn.Parameter(torch.empty(hidden_size, input_size))
        self.read_weight = nn.Parameter(torch.empty(hidden_size, location_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        self.head_weight = nn.Parameter(torch.empty(sum(self._parts), hidden_size))
        self.head_bias = nn.Parameter(torch.zeros(sum(self._parts)))
        for weight in (self.input_weight, self.read_weight, self.head_weight):
            init_input(weight, input_init)

    def initial_state(self, batch_size: int) -> NTMState:
        """Return an unwritten memory, with both heads at its first location."""
        read = self.bias.new_zeros(batch_size, self.location_size)
        memory = self.bias.new_full((batch_size, self.num_locations, self.location_size), _BLANK)
        head = F.pad(self.bias.new_zeros(batch_size, 1), (0, self.num_locations - 1), value=_AWAY)
        return NTMState(read, memory, head, head.clone())

    def forward(self, input: Tensor, state: NTMState) -> tuple[Tensor, NTMState]:
        """Take one step: `(B, I)`, state -> `(B, H + M)`, state."""
        hidden = torch.tanh(
            F.linear(input, self.input_weight, self.bias) + F.linear(state.read, self.read_weight)
        )
        numbers = F.linear(hidden, self.head_weight, self.head_bias)
        write, read, erase, add = numbers.split(self._parts, dim=1)
        write_head = self._move(write, state.memory, state.write_head)
        where = write_head.exp()[..., None]  # (B, N, 1)
        memory = state.memory * (1 - where * torch.sigmoid(erase)[:, None])
        memory = memory + where * torch.tanh(add)[:, None]
        read_head = self._move(read, memory, state.read_head)
        read = (read_head.exp()[:, None] @ memory).squeeze(1)
        output = torch.cat([hidden, read], dim=1)
        return output, NTMState(read, memory, read_head, write_head)

    def _move(self, numbers: Tensor, memory: Tensor, head: Tensor) -> Tensor:
        """Return the logarithms of the new weights `(B, N)` of a head."""
        sizes = [self.location_size, 1, 1, len(_SHIFTS), 1]
        key, strength, gate, shift, sharpness = numbers.split(sizes, dim=1)
        likeness = F.cosine_similarity(key[:, None], memory, dim=2)
        found = (F.softplus(strength) * likeness).softmax(1)
        gate = torch.sigmoid(gate)
        gated = gate * found + (1 - gate) * head.softmax(1)
        rolled = torch.stack([gated.roll(step, 1) for step in _SHIFTS], dim=2)
        shifted = (rolled * shift.softmax(1)[:, None]).sum(2)
        return ((1 + F.softplus(sharpness)) * (shifted + _LEAST).log()).log_softmax(1)
