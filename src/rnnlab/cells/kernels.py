"""Cells as the kernels see them: which kernel computes a cell, and from which tensors.

`Cell.kernel` returns one of these classes; `unroll_by_kernel` runs it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from rnnlab.kernels.arguments import ACTIVATIONS, Kernel, Options, Tensors
from rnnlab.kernels.functions import Unroll
from rnnlab.kernels.library import cell_index
from rnnlab.state import State, leaves, like


class Reading(NamedTuple):
    """What a kernel reads to unroll a cell, and how its last vectors make the cell's state.

    Attributes:
        tensors: what it reads.
        final: returns the final state, given the last `hidden` and `memory`.
    """

    tensors: Tensors
    final: Callable[[Tensor, Tensor], State]


class CellKernel(Protocol):
    """How a kernel computes a cell.

    Attributes:
        kernel: which one.
        sizes: of the hidden vector and of what is fed back.
        has_horizon: whether it can limit how far gradients flow back.
        rest: the layers that follow the kernel in each step.
    """

    kernel: Kernel
    sizes: tuple[int, int]
    has_horizon: bool
    rest: Sequence[nn.Module]

    def read(self, inputs: Tensor, state: State, mask: Tensor | None) -> Reading:
        """Return what the kernel reads; one-hot inputs may be given by their indices."""


class ScanKernel:
    """The kernel of a cell whose output is its hidden state.

    Args:
        cell: its name in `kernels/cells.h`, or in a header of the same form.
        input_weight: W, `(P H, I)`.
        state_weight: U, `(Q H, H)`.
        bias: `(G H)`.
        header: that header.

    Raises:
        ConfigError: the header has no such cell, or can't be compiled.
    """

    has_horizon = True
    rest: Sequence[nn.Module] = ()

    def __init__(
        self,
        cell: str,
        input_weight: Tensor,
        state_weight: Tensor,
        bias: Tensor,
        header: Path | None = None,
    ) -> None:
        index = cell_index(cell, header)
        self.kernel = Kernel("scan", -1 if index is None else index, cells=header)
        self.sizes = (state_weight.shape[-1], state_weight.shape[-1])
        self._weights = (input_weight, state_weight, bias, None, None)

    def read(self, inputs: Tensor, state: State, mask: Tensor | None) -> Reading:
        """Take a state of a hidden vector and, in some cells, a memory cell."""
        parts = leaves(state)
        hidden, memory = parts if len(parts) == 2 else (*parts, parts[0][:, :0])
        return Reading(
            Tensors(*self._weights, hidden, memory, inputs, mask),
            lambda *found: like(state, list(found[: len(parts)])),
        )


class JordanKernel:
    """The kernel of a Jordan network with one hidden layer.

    Args:
        activation: of the hidden layer.
        hidden: the layer; it reads the input, then the context.
        readout: the layer whose outputs are fed back.
        decay: of the context.
        squashed: whether the softmax of the outputs is fed back.
        taught: whether the inputs end with targets and where they are fed back.
    """

    has_horizon = True
    rest: Sequence[nn.Module] = ()

    def __init__(
        self,
        activation: str,
        hidden: nn.Linear,
        readout: nn.Linear,
        *,
        decay: float,
        squashed: bool,
        taught: bool,
    ) -> None:
        index = ACTIVATIONS.index(activation)
        self.kernel = Kernel("jordan", index, decay=decay, squashed=squashed, taught=taught)
        self.sizes = (hidden.out_features, readout.out_features)
        self._hidden, self._readout = hidden, readout

    def read(self, inputs: Tensor, state: State, mask: Tensor | None) -> Reading:
        """Take a `JordanState`."""
        size = self._hidden.in_features - self._readout.out_features
        weight, readout = self._hidden.weight, self._readout
        tensors = Tensors(
            weight[:, :size],
            weight[:, size:],
            self._hidden.bias,
            readout.weight,
            readout.bias,
            state.output,
            state.context,
            inputs,
            mask,
        )
        return Reading(
            tensors, lambda output, context: state._replace(context=context, output=output)
        )


def unroll_by_kernel(
    cell: CellKernel,
    inputs: Tensor,
    state: State,
    mask: Tensor | None,
    *,
    steps: Sequence[int] | None = None,
    horizon: int | None = None,
    aged_inputs: bool = False,
    aged_outputs: bool = False,
) -> tuple[Tensor, State]:
    """Unroll a cell as `Cell.unroll` does.

    Args:
        cell: how the kernel computes the cell.
        inputs: `(B, T, I)`, or the indices `(B, T)` of one-hot inputs.
        state: before step 0.
        mask: `(B, T)`, or None.
        steps: the steps whose outputs are returned, `None` for all.
        horizon: how many steps gradients flow back from each output, `None` for all.
        aged_inputs: see `Options`.
        aged_outputs: see `Options`.
    """
    tensors, final = cell.read(inputs, state, mask)
    taped = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    options = Options(cell.kernel, steps, horizon, aged_inputs, aged_outputs, taped)
    outputs, hidden, memory, _ = Unroll.apply(options, *tensors)
    for layer in cell.rest:
        outputs = layer(outputs)
    return outputs, final(hidden, memory)
