"""The continuous-time recurrent network: leaky units, integrated by Euler steps."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from rnnlab.cells.base import last_real
from rnnlab.cells.elman import ACTIVATIONS, Elman
from rnnlab.cells.init import InputInit, RecurrentInit
from rnnlab.errors import ConfigError
from rnnlab.ranges import Positive, PositiveInt, Positives
from rnnlab.stackable import stackable


@stackable(initial=["input_init", "recurrent_init", "recurrent_scale"])
class CTRNN(Elman):
    """Leaky units with a time constant: they move towards what an Elman network would be.

        tau dh/dt = -h + f(W x + U h + b)
        h_t = h_{t-1} + dt/tau (f(W x_t + U h_{t-1} + b) - h_{t-1})

    Pearlmutter (1989), eqs. 1 and 2, with the input inside f, by Euler's method. With dt = tau it
    is an Elman network. State: the hidden vector `(B, H)`; output: the same.

    Args:
        input_size: I.
        hidden_size: H.
        activation: f.
        tau: time constant, in the unit of `dt`; a list has that of each unit (Mozer, 1992).
        dt: time between two steps, at most `tau`.
        input_init: initialisation of W.
        recurrent_init: initialisation of U.
        recurrent_scale: factor of U; with `recurrent_init=spectral` its spectral radius.

    Raises:
        ConfigError: `dt` is larger than `tau`, or `tau` has not a number for each unit.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: PositiveInt,
        activation: Literal["tanh", "relu", "sigmoid"],
        tau: Positive | Positives,
        dt: Positive,
        input_init: InputInit,
        recurrent_init: RecurrentInit,
        recurrent_scale: Positive,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size=hidden_size,
            activation=activation,
            input_init=input_init,
            recurrent_init=recurrent_init,
            recurrent_scale=recurrent_scale,
        )
        if isinstance(tau, list) and len(tau) != hidden_size:
            raise ConfigError(f"tau must have hidden_size={hidden_size} numbers, got {len(tau)}")
        least = min(tau) if isinstance(tau, list) else tau
        if dt > least:
            raise ConfigError(f"dt must be at most tau={least}, got {dt}")
        self.rate: float | Tensor
        if isinstance(tau, list):
            self.register_buffer("rate", dt / torch.tensor(tau), persistent=False)
        else:
            self.rate = dt / tau

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: `(B, I)`, `(B, H)` -> `(B, H)`, `(B, H)`."""
        goal, _ = super().forward(input, state)
        hidden = state + self.rate * (goal - state)
        return hidden, hidden

    def unroll_fast(
        self, inputs: Tensor, state: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Compute W x_t of all steps in one product."""
        activation, recurrent = ACTIVATIONS[self.activation], self.recurrent_weight.t()
        hidden, steps = state, []
        for projected in F.linear(inputs, self.input_weight, self.bias).unbind(1):
            goal = activation(torch.addmm(projected, hidden, recurrent))
            hidden = hidden + self.rate * (goal - hidden)
            steps.append(hidden)
        outputs = torch.stack(steps, dim=1)
        return outputs, last_real(outputs, mask, state)
