"""Cells as the kernels see them: which kernel computes a cell, and from which tensors.

`Cell.kernel` returns one of these classes; `unroll_by_kernel` runs it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from rnnlab.kernels.calls import ACTIVATIONS, Kernel, Options, Tensors
from rnnlab.kernels.functions import Unroll
from rnnlab.kernels.library import cell_index
from rnnlab.state import State, leaves, like


class CellKernel(Protocol):
    """How a kernel computes a cell.

    Attributes:
        kernel: which one.
        sizes: of the hidden vector and of what is fed back.
        has_horizon: whether it can limit how far gradients flow back.
        rest: what follows the kernel in each step.
    """

    kernel: Kernel
    sizes: tuple[int, int]
    has_horizon: bool
    rest: nn.Sequential

    def tensors(self, inputs: Tensor, state: State, mask: Tensor | None) -> Tensors:
        """Return what the kernel reads; one-hot inputs may be given by their indices."""

    def final(
        self, found: tuple[Tensor, Tensor], inputs: Tensor, state: State, mask: Tensor | None
    ) -> State:
        """Return the cell's final state from the last `hidden` and `memory` of the kernel."""


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
    rest = nn.Sequential()

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

    def tensors(self, inputs: Tensor, state: State, mask: Tensor | None) -> Tensors:
        """Take a state of a hidden vector and, in some cells, a memory cell."""
        hidden, *memory = leaves(state)
        return Tensors(*self._weights, hidden, memory[0] if memory else hidden[:, :0], inputs, mask)

    def final(
        self,
        found: tuple[Tensor, Tensor],
        inputs: Tensor,  # noqa: ARG002
        state: State,
        mask: Tensor | None,  # noqa: ARG002
    ) -> State:
        """Return a state of the same structure."""
        return like(state, list(found[: len(leaves(state))]))


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
    rest = nn.Sequential()

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

    def tensors(self, inputs: Tensor, state: State, mask: Tensor | None) -> Tensors:
        """Take a `JordanState`."""
        size = self._hidden.in_features - self._readout.out_features
        weight, readout = self._hidden.weight, self._readout
        return Tensors(
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

    def final(
        self,
        found: tuple[Tensor, Tensor],
        inputs: Tensor,  # noqa: ARG002
        state: State,
        mask: Tensor | None,  # noqa: ARG002
    ) -> State:
        """Return a `JordanState`."""
        output, context = found
        return state._replace(context=context, output=output)


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
    tensors = cell.tensors(inputs, state, mask)
    taped = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    options = Options(cell.kernel, steps, horizon, aged_inputs, aged_outputs, taped)
    outputs, *found, _ = Unroll.apply(options, *tensors)
    return cell.rest(outputs), cell.final((found[0], found[1]), inputs, state, mask)
