"""Jordan's network: the output is fed back."""

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from rnnlab.cells.base import Cell
from rnnlab.cells.init import InputInit
from rnnlab.cells.kernels import JordanKernel
from rnnlab.cells.taps import layer_sizes, mlp
from rnnlab.ranges import LayerSizes, Probability
from rnnlab.spec import Port, Tokens
from rnnlab.stackable import stackable


class JordanState(NamedTuple):
    """The state of a Jordan network: context and last fed-back output, each `(B, O)`."""

    context: Tensor
    output: Tensor


@stackable(initial=["input_init"])
class Jordan(Cell):
    """Jordan network: a decaying sum of past outputs is the context.

        c_t = decay * c_{t-1} + y_{t-1}
        y_t = V f(W x_t + U c_t + b) + d

    Jordan (1986), Serial order, eqs. for state and output units. For tokens the probabilities
    softmax(y) are fed back; Jordan's output units are squashed too. State: `JordanState`; output:
    y, the logits or numbers of the task, because the cell contains the readout.

    With `teacher_forcing` the input of step t ends with 2 O more numbers: the target of step t-1
    `(O)`, and 0 or 1 for each of them, where 1 replaces the fed-back output by the target. No step
    reads its own target. In free running these last O numbers are 0.

    Args:
        input_size: I, without the 2 O numbers of teacher forcing.
        output: the task's target port.
        hidden_size: H, or that of each hidden layer, first to last.
        activation: f.
        decay: share of the context that remains each step; at 0 the context is the last output.
        teacher_forcing: whether training feeds back the target instead of the cell's output.
        input_init: initialisation of the weights.
    """

    answers: ClassVar[bool] = True

    def __init__(
        self,
        input_size: int,
        output: Port,
        *,
        hidden_size: LayerSizes,
        activation: Literal["tanh", "relu", "sigmoid"],
        decay: Probability,
        teacher_forcing: bool,
        input_init: InputInit,
    ) -> None:
        super().__init__()
        sizes = layer_sizes(hidden_size)
        self.output = output
        self.activation = activation
        self.decay = decay
        self.teacher_forcing = teacher_forcing
        self.output_size = output.size
        self.input_size = input_size + (2 * output.size if teacher_forcing else 0)
        self.hidden = mlp(input_size + output.size, sizes, activation, input_init)
        self.readout = nn.Linear(sizes[-1], output.size)

    def initial_state(self, batch_size: int) -> JordanState:
        """Return zeros, each `(B, O)`."""
        zeros = self.readout.bias.new_zeros(batch_size, self.output_size)
        return JordanState(context=zeros, output=zeros)

    def forward(self, input: Tensor, state: JordanState) -> tuple[Tensor, JordanState]:
        """Take one step: `(B, I)` or `(B, I + 2 O)`, state -> `(B, O)`, state."""
        previous = state.output
        if self.teacher_forcing:
            size = self.output_size
            input, target, forced = input.split([input.shape[1] - 2 * size, size, size], dim=1)
            previous = torch.where(forced > 0, target, previous)
        context = self.decay * state.context + previous
        output = self.readout(self.hidden(torch.cat([input, context], dim=1)))
        fed_back = output.softmax(1) if isinstance(self.output, Tokens) else output
        return output, JordanState(context, fed_back)

    def kernel(self) -> JordanKernel | None:
        """Return the kernel of a network with one hidden layer."""
        if len(self.hidden) != 2:  # the layer and its activation
            return None
        layer = self.hidden[0]
        assert isinstance(layer, nn.Linear)
        return JordanKernel(
            self.activation,
            layer,
            self.readout,
            decay=self.decay,
            squashed=isinstance(self.output, Tokens),
            taught=self.teacher_forcing,
        )

    def clamp(self, state: JordanState, values: Tensor) -> JordanState:
        """Set the first C units of the output before step 0, which is the context of step 0."""
        return state._replace(output=super().clamp(state.output, values))
