"""Delay taps: a window over the last K inputs, linear or followed by a feed-forward net."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from rnnlab.cells.base import Cell, one_hot
from rnnlab.cells.init import InputInit, init_input
from rnnlab.cells.kernels import Reading
from rnnlab.kernels.arguments import ACTIVATIONS, Kernel, Tensors
from rnnlab.ranges import LayerSizes, PositiveInt
from rnnlab.stackable import stackable

_ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


def layer_sizes(hidden_size: int | list[int]) -> list[int]:
    """Return the sizes of the hidden layers, first to last; a number is one layer."""
    return [hidden_size] if isinstance(hidden_size, int) else list(hidden_size)


def mlp(
    input_size: int, hidden_sizes: list[int], activation: str, input_init: InputInit
) -> nn.Sequential:
    """Build linear layers, each followed by an activation; `(..., I)` -> `(..., H)`."""
    layers: list[nn.Module] = []
    for hidden_size in hidden_sizes:
        linear = nn.Linear(input_size, hidden_size)
        init_input(linear.weight, input_init)
        layers += [linear, _ACTIVATIONS[activation]()]
        input_size = hidden_size
    return nn.Sequential(*layers)


@stackable()
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
        """Return K-1 inputs of zeros, `(B, K-1, I)`."""
        return self.zero.new_zeros(batch_size, self.taps - 1, self.input_size)

    def forward(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step: `(B, I)`, `(B, K-1, I)` -> `(B, K I)`, `(B, K-1, I)`."""
        window = torch.cat([input[:, None], state], dim=1)
        return self.transform(window.flatten(1)), window[:, : self.taps - 1]

    def transform(self, windows: Tensor) -> Tensor:
        """Compute the output of a window `(..., K I)`: here, the window itself."""
        return windows

    def unroll_fast(
        self, inputs: Tensor, state: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Transform the windows of all steps at once."""
        windows = self._windows(inputs, state)
        return self.transform(windows.flatten(2)), last_inputs(inputs, state, mask)

    def trajectory(self, inputs: Tensor, state: Tensor) -> Tensor:
        """Return the last K-1 inputs after each step, `(B, T, K-1, I)`."""
        return self._windows(inputs, state)[:, :, : self.taps - 1]

    def _windows(self, inputs: Tensor, state: Tensor) -> Tensor:
        """Return the last K inputs at each step, newest first, `(B, T, K, I)`."""
        padded = torch.cat([state.flip(1), inputs], dim=1)  # (B, K-1+T, I), oldest first
        return padded.unfold(1, self.taps, 1).flip(3).transpose(2, 3)


@stackable(initial=["input_init"])
class TapsMLP(Taps):
    """Nonlinear hidden layers over delay taps: AR-FFN.

        y_t = f(W_n ... f(W_1 (x_t, ..., x_{t-K+1}) + b_1) ... + b_n)

    NETtalk's input buffering (Sejnowski and Rosenberg, 1987). Stacked with `num_layers`, a
    time-delay network (Waibel et al., 1989). State as `Taps`; output `(B, H)` of the last layer.

    Args:
        input_size: I.
        taps: K, the current input included.
        hidden_size: H, or that of each hidden layer, first to last.
        activation: f.
        input_init: initialisation of the weights.
    """

    def __init__(
        self,
        input_size: int,
        *,
        taps: PositiveInt,
        hidden_size: LayerSizes,
        activation: Literal["tanh", "relu", "sigmoid"],
        input_init: InputInit,
    ) -> None:
        super().__init__(input_size, taps=taps)
        sizes = layer_sizes(hidden_size)
        self.output_size = sizes[-1]
        self.activation = activation
        self.hidden = mlp(taps * input_size, sizes, activation, input_init)

    def transform(self, windows: Tensor) -> Tensor:
        """Apply the hidden layers to a window, `(..., K I)` -> `(..., H)`."""
        return self.hidden(windows)

    def kernel(self) -> "TapsKernel":
        """Return the kernel of the first hidden layer."""
        layer, _, *rest = self.hidden
        assert isinstance(layer, nn.Linear)
        return TapsKernel(self.activation, self.taps, layer, rest)


class TapsKernel:
    """The kernel of a hidden layer over delay taps.

    Args:
        activation: of the layer.
        taps: K.
        layer: reads the inputs newest first.
        rest: the layers above.
    """

    has_horizon = False

    def __init__(
        self, activation: str, taps: int, layer: nn.Linear, rest: Sequence[nn.Module]
    ) -> None:
        self.kernel = Kernel("taps", ACTIVATIONS.index(activation), taps=taps)
        self.sizes = (layer.out_features, 0)
        self.rest = rest
        self._layer = layer

    def read(self, inputs: Tensor, state: Tensor, mask: Tensor | None) -> Reading:
        """Take the state oldest first, the order of the inputs in time."""
        before, layer = state.flip(1).flatten(1), self._layer
        weight, bias = layer.weight, layer.bias
        return Reading(
            Tensors(weight, None, bias, None, None, before, before[:, :0], inputs),
            lambda *_: last_inputs(inputs, state, mask),
        )


def last_inputs(inputs: Tensor, state: Tensor, mask: Tensor | None) -> Tensor:
    """Return the K-1 last real inputs `(B, K-1, I)`, newest first.

    Args:
        inputs: `(B, T, I)`, or the indices `(B, T)` of one-hot ones.
        state: `(B, K-1, I)`, those before.
        mask: `(B, T)`, or None.
    """
    held = state.shape[1]
    if mask is None:
        inputs = inputs[:, max(0, inputs.shape[1] - held) :]
    inputs = one_hot(inputs, state.shape[2], state.dtype)
    padded = torch.cat([state.flip(1), inputs], dim=1)  # (B, K-1+T, I), oldest first
    if mask is None:
        return padded[:, padded.shape[1] - held :].flip(1)
    back = torch.arange(held - 1, -1, -1, device=inputs.device)
    index = mask.sum(1, keepdim=True) + back  # (B, K-1)
    return padded.gather(1, index[..., None].expand(-1, -1, padded.shape[2]))
