"""Jordan's network: the output is fed back."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from rnnlab.cells.base import AnsweringCell
from rnnlab.cells.init import InputInit
from rnnlab.cells.taps import mlp
from rnnlab.errors import ConfigError
from rnnlab.grouping import groups
from rnnlab.ranges import PositiveInt, Probability
from rnnlab.spec import Port, Tokens


class JordanState(NamedTuple):
    """What a Jordan network carries, each `(B, O)`."""

    context: Tensor
    output: Tensor


@groups(initial=["input_init"])
class Jordan(AnsweringCell):
    """Jordan network: a decaying sum of past outputs is the context.

        c_t = decay * c_{t-1} + y_{t-1}
        y_t = V f(W x_t + U c_t + b) + d

    Jordan (1986), Serial order, eqs. for state and output units. For tokens the probabilities
    softmax(y) are fed back, as his output units were squashed too. State: `JordanState`; output:
    y, the answer itself, since the readout must lie inside.

    With `teacher_forcing` the input of step t ends with what was right at t-1 (`O` numbers) and,
    for each of them, a 1 where it is to be used in place of the net's own output; so nothing reads
    a target that it must still predict, and free running is those last `O` numbers at 0.

    Args:
        input_size: I, without the teacher's numbers.
        output: what is answered.
        hidden_sizes: H of each hidden layer, first to last.
        activation: f.
        decay: how much of the context stays; 0 is the last output alone.
        teacher_forcing: whether training feeds back the right output instead of the net's own.
        input_init: how the weights begin.
    """

    def __init__(
        self,
        input_size: int,
        output: Port,
        *,
        hidden_sizes: list[PositiveInt],
        activation: Literal["tanh", "relu", "sigmoid"],
        decay: Probability,
        teacher_forcing: bool,
        input_init: InputInit,
    ) -> None:
        super().__init__()
        if not hidden_sizes:
            raise ConfigError("hidden_sizes must name at least one layer, got []")
        self.output = output
        self.activation = activation
        self.decay = decay
        self.teacher_forcing = teacher_forcing
        self.output_size = output.size
        self.input_size = input_size + (2 * output.size if teacher_forcing else 0)
        self.hidden = mlp(input_size + output.size, hidden_sizes, activation, input_init)
        self.readout = nn.Linear(hidden_sizes[-1], output.size)

    def initial_state(self, batch_size: int) -> JordanState:
        """Give zeros, each `(B, O)`."""
        zeros = self.readout.bias.new_zeros(batch_size, self.output_size)
        return JordanState(context=zeros, output=zeros)

    def forward(self, input: Tensor, state: JordanState) -> tuple[Tensor, JordanState]:
        """Take one step: `(B, I)` or `(B, I + 2 O)`, state -> `(B, O)`, state."""
        previous = state.output
        if self.teacher_forcing:
            size = self.output_size
            input, right, taught = input.split([input.shape[1] - 2 * size, size, size], dim=1)
            previous = torch.where(taught > 0, right, previous)
        context = self.decay * state.context + previous
        answer = self.readout(self.hidden(torch.cat([input, context], dim=1)))
        fed_back = answer.softmax(1) if isinstance(self.output, Tokens) else answer
        return answer, JordanState(context, fed_back)

    def clamp(self, state: JordanState, values: Tensor) -> JordanState:
        """Set the first C units of the first context: the output before step 0, in its place."""
        return state._replace(output=super().clamp(state.output, values))
