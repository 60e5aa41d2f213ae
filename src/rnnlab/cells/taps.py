"""Time mapped into space: delay taps, linear or under a feed-forward net."""

from typing import Literal

import torch
from torch import Tensor, nn

from rnnlab.cells.base import Cell, last_real
from rnnlab.cells.init import InputInit, init_input
from rnnlab.errors import ConfigError
from rnnlab.grouping import groups
from rnnlab.ranges import PositiveInt

_ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


def mlp(
    input_size: int, hidden_sizes: list[int], activation: str, input_init: InputInit
) -> nn.Sequential:
    """Stack linear layers, each followed by its activation; `(..., I)` -> `(..., H)`."""
    layers: list[nn.Module] = []
    for hidden_size in hidden_sizes:
        linear = nn.Linear(input_size, hidden_size)
        init_input(linear.weight, input_init)
        layers += [linear, _ACTIVATIONS[activation]()]
        input_size = hidden_size
    return nn.Sequential(*layers)


@groups()
class Taps(Cell):
    """Linear delay taps, for the autoregressive model AR(K): the last K inputs side by side.

        y_t = (x_t, x_{t-1}, ..., x_{t-K+1})

    With the model's linear readout this is the linear predictor of Yule (1927). State: the last
    K-1 inputs `(B, K-1, I)`, newest first; output `(B, K I)`, newest first.

    Args:
        input_size: I.
        taps: K, the current input included.
    """

    zero: Tensor

    def __init__(self, input_size: int, *, taps: PositiveInt) -> None:
        super().__init__()
        self.input_size = input_size
        self.taps = taps
        self.output_size = taps * input_size
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def initial_state(self, batch_size: int) -> Tensor:
        """Give K-1 inputs of zeros, `(B, K-1, I)`."""
        return self.zero.new_zeros(batch_size, self.taps - 1, self.input_size)

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: `(B, I)`, `(B, K-1, I)` -> `(B, K I)`, `(B, K-1, I)`."""
        window = torch.cat([input[:, None], state], dim=1)
        return self.transform(window.flatten(1)), window[:, : self.taps - 1]

    def transform(self, windows: Tensor) -> Tensor:
        """Make the output of the taps: themselves, `(..., K I)`."""
        return windows

    def has_fast_twin(self, inputs: Tensor) -> bool:  # noqa: ARG002
        """Always: no step waits for another."""
        return True

    def unroll_fast(
        self, inputs: Tensor, state: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Cut all windows at once and transform them in one product."""
        padded, windows = self._windows(inputs, state)
        outputs = self.transform(windows.flatten(2))
        if mask is None:
            return outputs, padded[:, padded.shape[1] - self.taps + 1 :].flip(1)
        held = last_real(windows[:, :, : self.taps - 1].flatten(2), mask, state.flatten(1))
        return outputs, held.view_as(state)

    def trajectory(self, inputs: Tensor, state: Tensor) -> Tensor:
        """Give the last K-1 inputs after each step, `(B, T, K-1, I)`."""
        return self._windows(inputs, state)[1][:, :, : self.taps - 1]

    def _windows(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Give state and inputs in one row `(B, K-1+T, I)`, and its windows `(B, T, K, I)`."""
        padded = torch.cat([state.flip(1), inputs], dim=1)
        windows = padded.unfold(1, self.taps, 1).flip(3)  # (B, T, I, K), newest first
        return padded, windows.transpose(2, 3)


@groups(initial=["input_init"])
class TapsMLP(Taps):
    """Delay taps under nonlinear hidden layers: AR-FFN.

        y_t = f(W_n ... f(W_1 (x_t, ..., x_{t-K+1}) + b_1) ... + b_n)

    NETtalk's input buffering (Sejnowski and Rosenberg, 1987). Stacked with `num_layers`, a
    time-delay network (Waibel et al., 1989). State as `Taps`; output `(B, H)` of the last layer.

    Args:
        input_size: I.
        taps: K, the current input included.
        hidden_sizes: H of each hidden layer, first to last.
        activation: f.
        input_init: how the weights begin.
    """

    def __init__(
        self,
        input_size: int,
        *,
        taps: PositiveInt,
        hidden_sizes: list[PositiveInt],
        activation: Literal["tanh", "relu", "sigmoid"],
        input_init: InputInit,
    ) -> None:
        super().__init__(input_size, taps=taps)
        if not hidden_sizes:
            raise ConfigError("hidden_sizes must name at least one layer, got []: or take model=ar")
        self.output_size = hidden_sizes[-1]
        self.activation = activation
        self.hidden = mlp(taps * input_size, hidden_sizes, activation, input_init)

    def transform(self, windows: Tensor) -> Tensor:
        """Run the hidden layers over the taps, `(..., K I)` -> `(..., H)`."""
        return self.hidden(windows)
