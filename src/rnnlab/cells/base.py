"""The base class of cells: one step `(input, state) -> (output, state)`, and `unroll` over time."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rnnlab.cells.kernels import CellKernel, unroll_by_kernel
from rnnlab.errors import ConfigError
from rnnlab.kernels.functions import gpu_computes, kernels_take
from rnnlab.state import State, leaves, like, map_state, where


class Cell(nn.Module, ABC):
    """One step of a recurrent net, a pure function of parameters, input and state.

    A cell stores nothing between calls and has no data-dependent branches, so that
    `torch.func.functional_call` and `vmap` work over a stack of N parameter sets. The model passes
    the first constructor argument, `input_size`; the keyword-only arguments are the config keys.

    Attributes:
        input_size: I, size of the input vector.
        output_size: O, size of the output vector.
        fast: whether `unroll` may call `unroll_fast`; the context manager `readable` clears it.
        answers: whether the cell contains the readout, because the output is fed back (Jordan).
            The constructor of such a cell also takes the task's target `Port`.
    """

    answers: ClassVar[bool] = False
    input_size: int
    output_size: int
    fast: bool = True

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first step, a tree of `(B, ...)` tensors, mostly 0."""

    @abstractmethod
    def forward(self, input: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step: `(B, I)`, state -> `(B, O)`, state."""

    def unroll(
        self, inputs: Tensor, state: State, mask: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over time: `(B, T, I)`, state -> `(B, T, O)`, state, as `unroll_loop` does.

        One-hot inputs may be given by their indices `(B, T)`.

        `mask` `(B, T)` is True on real steps, which come first in each row. On the padding after
        them the state stays constant and the outputs are undefined.
        """
        if self.fast and (kernel := usable_kernel(self, inputs)) is not None:
            return unroll_by_kernel(kernel, inputs, state, mask)
        inputs = one_hot(inputs, self.input_size, leaves(state)[0].dtype)
        if self.fast and _stands_for_forward(self, "unroll_fast") and self.has_fast_twin(inputs):
            return self.unroll_fast(inputs, state, mask)
        return unroll_loop(self, inputs, state, mask)

    def kernel(self) -> CellKernel | None:
        """Return how a kernel computes the cell, or `None`.

        It stands for the `forward` of the class that defines both, as `unroll_fast` does: a
        subclass that overrides `forward` alone has neither.
        """
        return None

    def has_fast_twin(self, inputs: Tensor) -> bool:  # noqa: ARG002
        """Whether `unroll_fast`, if there is one, computes the cell with these settings here."""
        return True

    def unroll_fast(
        self, inputs: Tensor, state: State, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """Compute the same as `unroll_loop`, faster; a class with a faster way overrides it."""
        return unroll_loop(self, inputs, state, mask)

    def trajectory(self, inputs: Tensor, state: State) -> State:
        """Return the state after every step, a tree of `(B, T, ...)` tensors."""
        states = []
        for step in inputs.unbind(1):
            _, state = self(step, state)
            states.append(state)
        return map_state(lambda *steps: torch.stack(steps, dim=1), *states)

    def clamp(self, state: State, values: Tensor) -> State:
        """Set the first C units of the state to `values` `(B, C)`.

        Raises:
            ConfigError: the state has fewer than C units.
        """
        head, *rest = leaves(state)
        units = head.flatten(1)
        size = values.shape[1]
        if size > units.shape[1]:
            raise ConfigError(
                f"the initial state has {units.shape[1]} units in {type(self).__name__}, but the "
                f"task clamps {size}: take a larger cell"
            )
        clamped = torch.cat([values.to(units.dtype), units[:, size:]], dim=1).view_as(head)
        return like(state, [clamped, *rest])


def one_hot(inputs: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Return vectors `(..., size)`; indices `(...)` become one-hot, vectors stay."""
    if inputs.is_floating_point():
        return inputs
    return (inputs[..., None] == torch.arange(size, device=inputs.device)).to(dtype)


def usable_kernel(cell: Cell, inputs: Tensor, *, horizon: int | None = None) -> CellKernel | None:
    """Return the kernel of a cell if it can compute with these inputs here, else `None`."""
    if not kernels_take(inputs, next(cell.parameters(), inputs)):
        return None
    kernel = kernel_on(cell, inputs.device.type)
    if kernel is None or horizon is None:
        return kernel
    return kernel if kernel.has_horizon and inputs.is_cpu else None


def kernel_on(cell: Cell, device: str) -> CellKernel | None:
    """Return the kernel of a cell for a type of device, if there is one."""
    kernel = declared_kernel(cell)
    if kernel is None or device == "cpu" or gpu_computes(kernel.kernel, *kernel.sizes):
        return kernel
    return None


def declared_kernel(cell: Cell) -> CellKernel | None:
    """Return the kernel that stands for the `forward` of a cell, if any."""
    return cell.kernel() if _stands_for_forward(cell, "kernel") else None


def _stands_for_forward(cell: Cell, method: str) -> bool:
    """Whether a method is of the class that defines the cell's `forward`, or of a subclass."""
    for kind in type(cell).__mro__:
        if method in vars(kind) or "forward" in vars(kind):
            return method in vars(kind)
    return False


class HiddenCell(Cell):
    """A cell whose state is its output, the hidden vector `(B, H)`; it begins at zero."""

    bias: Tensor

    def initial_state(self, batch_size: int) -> Tensor:
        """Return zeros `(B, H)`."""
        return self.bias.new_zeros(batch_size, self.output_size)

    def trajectory(self, inputs: Tensor, state: Tensor) -> Tensor:
        """Return the hidden states `(B, T, H)`, which are the outputs."""
        return self.unroll(inputs, state)[0]


def unroll_loop(
    cell: Cell, inputs: Tensor, state: State, mask: Tensor | None = None
) -> tuple[Tensor, State]:
    """Call the cell once per step; every `unroll_fast` is tested against this loop."""
    outputs = []
    for t, step in enumerate(inputs.unbind(1)):
        output, stepped = cell(step, state)
        state = stepped if mask is None else where(mask[:, t], stepped, state)
        outputs.append(output)
    return torch.stack(outputs, dim=1), state


def last_real(outputs: Tensor, mask: Tensor | None, initial: Tensor) -> Tensor:
    """Return each row's output `(B, H)` at its last real step, `initial` for rows without one."""
    if mask is None:
        return outputs[:, -1]
    lengths = mask.sum(1)
    index = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, outputs.shape[2])
    return torch.where(lengths[:, None] > 0, outputs.gather(1, index).squeeze(1), initial)


@contextmanager
def readable(module: nn.Module) -> Iterator[None]:
    """Clear `fast` of every part of `module`, as vmap and the tests need.

    Cells then unroll by `unroll_loop`, and attention has weights.
    """
    parts: list[Any] = [part for part in module.modules() if getattr(part, "fast", False)]
    for part in parts:
        part.fast = False
    try:
        yield
    finally:
        for part in parts:
            del part.fast
