"""The multiplicative recurrent network: each input has a transition of its own."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells.base import HiddenCell, last_real
from rnnlab.cells.init import InputInit, init_input
from rnnlab.ranges import Positive, PositiveInt, Real
from rnnlab.stackable import stackable


@stackable(initial=["factor_bias", "input_init", "recurrent_init", "recurrent_scale"])
class MRNN(HiddenCell):
    """Multiplicative RNN: the input chooses the recurrent matrix, by factors.

        f_t = (W_f x_t + c) * (U_f h_{t-1})
        h_t = tanh(U f_t + W x_t + b)

    Sutskever, Martens and Hinton (2011), Generating text with recurrent neural networks, section
    3.2: the recurrent matrix is U diag(W_f x_t + c) U_f. The bias c is ours: one-hot inputs don't
    need it, and other inputs have a transition without it only where they are not zero.
    State: the hidden vector `(B, H)`; output: the same.

    Args:
        input_size: I.
        hidden_size: H.
        num_factors: size F of f; `null` is H.
        factor_bias: initial value of c.
        input_init: initialisation of W and W_f.
        recurrent_init: initialisation of U and U_f.
        recurrent_scale: factor of U.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: PositiveInt,
        num_factors: PositiveInt | None,
        factor_bias: Real,
        input_init: InputInit,
        recurrent_init: InputInit,
        recurrent_scale: Positive,
    ) -> None:
        super().__init__()
        num_factors = num_factors or hidden_size
        self.input_size = input_size
        self.output_size = hidden_size
        self.input_weight = nn.Parameter(torch.empty(hidden_size, input_size))
        self.input_factors = nn.Parameter(torch.empty(num_factors, input_size))
        self.state_factors = nn.Parameter(torch.empty(num_factors, hidden_size))
        self.factor_weight = nn.Parameter(torch.empty(hidden_size, num_factors))
        self.factor_bias = nn.Parameter(torch.full((num_factors,), float(factor_bias)))
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        for weight in (self.input_weight, self.input_factors):
            init_input(weight, input_init)
        for weight in (self.state_factors, self.factor_weight):
            init_input(weight, recurrent_init)
        with torch.no_grad():
            self.factor_weight.mul_(recurrent_scale)

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: `(B, I)`, `(B, H)` -> `(B, H)`, `(B, H)`."""
        return self._step(*self._from_input(input), state)

    def unroll_fast(
        self, inputs: Tensor, state: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Compute W x_t and W_f x_t of all steps in one product each."""
        hidden, steps = state, []
        for total, factors in zip(*(f.unbind(1) for f in self._from_input(inputs)), strict=True):
            hidden, _ = self._step(total, factors, hidden)
            steps.append(hidden)
        outputs = torch.stack(steps, dim=1)
        return outputs, last_real(outputs, mask, state)

    def _from_input(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return W x + b `(..., H)` and W_f x + c `(..., F)`."""
        return (
            F.linear(inputs, self.input_weight, self.bias),
            F.linear(inputs, self.input_factors, self.factor_bias),
        )

    def _step(self, total: Tensor, factors: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        factors = factors * F.linear(state, self.state_factors)  # (B, F)
        hidden = torch.tanh(total + F.linear(factors, self.factor_weight))
        return hidden, hidden
