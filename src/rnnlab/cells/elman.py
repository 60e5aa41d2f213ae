"""Elman's simple recurrent network: the hidden units are fed back."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells.base import HiddenCell, last_real
from rnnlab.cells.fused import unroll_fused
from rnnlab.cells.init import InputInit, RecurrentInit, init_input, init_recurrent
from rnnlab.cells.kernels import ScanKernel
from rnnlab.ranges import Positive, PositiveInt
from rnnlab.stackable import stackable

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}
_FUSED = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}


@stackable(initial=["input_init", "recurrent_init", "recurrent_scale"])
class Elman(HiddenCell):
    """Simple recurrent network: the context is a copy of the previous hidden state.

        h_t = f(W x_t + U h_{t-1} + b)

    Elman (1990), Finding structure in time, fig. 2. State: the hidden vector `(B, H)`; output:
    the same. Elman's learning rule, one-step backpropagation, is the model's `horizon=1`.

    Args:
        input_size: I.
        hidden_size: H.
        activation: f.
        input_init: initialisation of W.
        recurrent_init: initialisation of U.
        recurrent_scale: factor of U; with `recurrent_init=spectral` its spectral radius.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: PositiveInt,
        activation: Literal["tanh", "relu", "sigmoid"],
        input_init: InputInit,
        recurrent_init: RecurrentInit,
        recurrent_scale: Positive,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = hidden_size
        self.activation = activation
        self.input_weight = nn.Parameter(torch.empty(hidden_size, input_size))
        self.recurrent_weight = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        init_input(self.input_weight, input_init)
        init_recurrent(self.recurrent_weight, recurrent_init, recurrent_scale)

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: `(B, I)`, `(B, H)` -> `(B, H)`, `(B, H)`."""
        total = F.linear(input, self.input_weight, self.bias) + F.linear(
            state, self.recurrent_weight
        )
        hidden = ACTIVATIONS[self.activation](total)
        return hidden, hidden

    def kernel(self) -> ScanKernel:
        """Return the kernel of this activation."""
        name = f"elman_{self.activation}"
        return ScanKernel(name, self.input_weight, self.recurrent_weight, self.bias)

    def unroll_fast(
        self, inputs: Tensor, state: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Run torch's fused RNN on CUDA; elsewhere compute W x_t of all steps in one product.

        On CPU the fused RNN is no faster than that.
        """
        if inputs.is_cuda and self.activation in _FUSED:
            bias = self.bias
            weights = [self.input_weight, self.recurrent_weight, bias, torch.zeros_like(bias)]
            outputs, _ = unroll_fused(
                _FUSED[self.activation], inputs, state[None].contiguous(), weights
            )
        else:
            activation = ACTIVATIONS[self.activation]
            recurrent = self.recurrent_weight.t()
            hidden, steps = state, []
            for projected in F.linear(inputs, self.input_weight, self.bias).unbind(1):
                hidden = activation(torch.addmm(projected, hidden, recurrent))
                steps.append(hidden)
            outputs = torch.stack(steps, dim=1)
        return outputs, last_real(outputs, mask, state)
