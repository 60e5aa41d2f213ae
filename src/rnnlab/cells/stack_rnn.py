"""The stack-augmented recurrent network."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells.base import Cell
from rnnlab.cells.init import InputInit, init_input
from rnnlab.errors import ConfigError
from rnnlab.ranges import PositiveInt
from rnnlab.stackable import stackable

_EMPTY = -1.0  # what stands where nothing was pushed


class StackRNNState(NamedTuple):
    """The state of a stack-augmented network.

    Attributes:
        hidden: `(B, H)`.
        stacks: `(B, K, D)`, the top first.
    """

    hidden: Tensor
    stacks: Tensor


@stackable(initial=["input_init"])
class StackRNN(Cell):
    """A sigmoid network beside K stacks, on which it pushes and pops by degrees.

        h_t = sigmoid(W x_t + U h_{t-1} + P top_{t-1} + b)
        a_t = softmax(A h_t + c)                         push, pop (and keep), for each stack
        s_t[0] = a_push sigmoid(D h_t) + a_pop s_{t-1}[1]     (+ a_keep s_{t-1}[0])
        s_t[i] = a_push s_{t-1}[i-1]   + a_pop s_{t-1}[i+1]   (+ a_keep s_{t-1}[i])

    Joulin and Mikolov (2015), Inferring algorithmic patterns with stack-augmented recurrent nets,
    eqs. 2-6; top is the first `num_read` numbers of each stack, and -1 stands where nothing was
    pushed. A stack is as deep as `depth`: what is pushed below is lost. Output: h.

    Args:
        input_size: I.
        hidden_size: H.
        num_stacks: K.
        depth: D.
        num_read: numbers of each stack that h reads; `depth` at most.
        keep: whether a third action leaves the stack as it is.
        recurrent: False sets U = 0, as the paper does for formal languages.
        input_init: initialisation of all weights.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: PositiveInt,
        num_stacks: PositiveInt,
        depth: PositiveInt,
        num_read: PositiveInt,
        keep: bool,
        recurrent: bool,
        input_init: InputInit,
    ) -> None:
        super().__init__()
        if num_read > depth:
            raise ConfigError(f"num_read must be depth={depth} at most, got {num_read}")
        self.input_size = input_size
        self.output_size = hidden_size
        self.num_stacks, self.depth, self.num_read = num_stacks, depth, num_read
        self.actions = ("push", "pop", "keep") if keep else ("push", "pop")
        moves = num_stacks * len(self.actions)
        self.input_weight = nn.Parameter(torch.empty(hidden_size, input_size))
        self.top_weight = nn.Parameter(torch.empty(hidden_size, num_stacks * num_read))
        self.recurrent_weight = (
            nn.Parameter(torch.empty(hidden_size, hidden_size)) if recurrent else None
        )
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        self.action_weight = nn.Parameter(torch.empty(moves, hidden_size))
        self.action_bias = nn.Parameter(torch.zeros(moves))
        self.push_weight = nn.Parameter(torch.empty(num_stacks, hidden_size))
        for parameter in self.parameters():
            if parameter.dim() == 2:
                init_input(parameter, input_init)

    def initial_state(self, batch_size: int) -> StackRNNState:
        """Return a zero hidden vector and empty stacks."""
        hidden = self.bias.new_zeros(batch_size, self.output_size)
        return StackRNNState(
            hidden, self.bias.new_full((batch_size, self.num_stacks, self.depth), _EMPTY)
        )

    def forward(self, input: Tensor, state: StackRNNState) -> tuple[Tensor, StackRNNState]:
        """Take one step: `(B, I)`, state -> `(B, H)`, state."""
        hidden = self._hidden(input, state)
        push, pop, *keep = (degree[..., None] for degree in self._degrees(hidden).unbind(2))
        pushed = torch.sigmoid(F.linear(hidden, self.push_weight))[..., None]  # (B, K, 1)
        old = state.stacks
        down = torch.cat([pushed, old[..., :-1]], dim=2)
        up = torch.cat([old[..., 1:], torch.full_like(pushed, _EMPTY)], dim=2)
        stacks = push * down + pop * up
        for degree in keep:
            stacks = stacks + degree * old
        return hidden, StackRNNState(hidden, stacks)

    def gates(self, input: Tensor, state: StackRNNState) -> dict[str, Tensor]:
        """Return the degrees of the actions in this step, each `(B, K)` from 0 to 1."""
        degrees = self._degrees(self._hidden(input, state)).unbind(2)
        return dict(zip(self.actions, degrees, strict=True))

    def _hidden(self, input: Tensor, state: StackRNNState) -> Tensor:
        total = F.linear(input, self.input_weight, self.bias)
        total = total + F.linear(state.stacks[..., : self.num_read].flatten(1), self.top_weight)
        if self.recurrent_weight is not None:
            total = total + F.linear(state.hidden, self.recurrent_weight)
        return torch.sigmoid(total)

    def _degrees(self, hidden: Tensor) -> Tensor:
        """Return the degrees of each stack's actions, `(B, K, 2)` or `(B, K, 3)`."""
        scores = F.linear(hidden, self.action_weight, self.action_bias)
        return scores.unflatten(1, (self.num_stacks, -1)).softmax(2)
