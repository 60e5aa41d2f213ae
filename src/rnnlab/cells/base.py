"""The cell contract: `(input, state) -> (output, state)`, and `unroll` over time."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn

from rnnlab.errors import ConfigError
from rnnlab.spec import Port
from rnnlab.state import State, leaves, like, map_state, where


class Cell(nn.Module, ABC):
    """One step of a recurrent net, a pure function of parameters, input and state.

    Nothing is kept between calls and no branch depends on data, so that
    `torch.func.functional_call` and `vmap` work over a stack of N parameter sets. The first
    argument of a constructor, `input_size`, is given by the model; the keyword-only ones are the
    config keys.

    Attributes:
        input_size: I, numbers read a step.
        output_size: O, numbers given a step.
        fast: whether `unroll` may take the fast twin; see `readable`.
        answers: whether the readout lies inside the cell, because the output is what is fed
            back (Jordan). Such a cell's constructor takes the answered `Port` as well.
    """

    answers: ClassVar[bool] = False
    input_size: int
    output_size: int
    fast: bool = True

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """Give the zero state, a tree of `(B, ...)` tensors."""

    @abstractmethod
    def forward(self, input: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step: `(B, I)`, state -> `(B, O)`, state."""

    def unroll(
        self, inputs: Tensor, state: State, mask: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over time: `(B, T, I)`, state -> `(B, T, O)`, state; the meaning is `unroll_loop`.

        `mask` `(B, T)` is True on real steps, which come first in each row; after them the state
        is held and the outputs mean nothing.
        """
        if self.fast and self.has_fast_twin(inputs):
            return self.unroll_fast(inputs, state, mask)
        return unroll_loop(self, inputs, state, mask)

    def has_fast_twin(self, inputs: Tensor) -> bool:  # noqa: ARG002
        """Whether `unroll_fast` exists for these settings, and pays on this device."""
        return False

    def unroll_fast(
        self, inputs: Tensor, state: State, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """Compute what `unroll_loop` does, faster; called only where `has_fast_twin` says so."""
        return unroll_loop(self, inputs, state, mask)

    def trajectory(self, inputs: Tensor, state: State) -> State:
        """Give the state after every step, a tree of `(B, T, ...)` tensors."""
        states = []
        for step in inputs.unbind(1):
            _, state = self(step, state)
            states.append(state)
        return map_state(lambda *steps: torch.stack(steps, dim=1), *states)

    def clamp(self, state: State, values: Tensor) -> State:
        """Set the first C units of the state to `values` `(B, C)` and leave the others."""
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


class AnsweringCell(Cell):
    """A cell with the readout inside; its constructor takes `(input_size, output)`."""

    answers: ClassVar[bool] = True
    output: Port


def unroll_loop(
    cell: Cell, inputs: Tensor, state: State, mask: Tensor | None = None
) -> tuple[Tensor, State]:
    """Unroll in the readable way; every fast twin is tested against this."""
    outputs = []
    for t, step in enumerate(inputs.unbind(1)):
        output, stepped = cell(step, state)
        state = stepped if mask is None else where(mask[:, t], stepped, state)
        outputs.append(output)
    return torch.stack(outputs, dim=1), state


def last_real(outputs: Tensor, mask: Tensor | None, initial: Tensor) -> Tensor:
    """Pick each row's output `(B, H)` at its last real step, or `initial` where it has none."""
    if mask is None:
        return outputs[:, -1]
    lengths = mask.sum(1)
    index = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, outputs.shape[2])
    return torch.where(lengths[:, None] > 0, outputs.gather(1, index).squeeze(1), initial)


def in_one_chunk(weights: Sequence[Tensor]) -> list[Tensor]:
    """Lay weights side by side where cuDNN reads them, in one piece of memory; elsewhere nothing.

    Its order is that of torch's fused nets: weights of the inputs, of the states, then the biases.
    From weights that lie apart it makes such a copy too, at every call, with a warning each.
    """
    if not weights[0].is_cuda:
        return list(weights)
    return _side_by_side(weights)


def _side_by_side(weights: Sequence[Tensor]) -> list[Tensor]:
    chunk = torch.cat([weight.flatten() for weight in weights])
    parts = chunk.split([weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]


@contextmanager
def readable(module: nn.Module) -> Iterator[None]:
    """Make every cell inside `module` unroll by its loop, as vmap and the tests need."""
    cells = [cell for cell in module.modules() if isinstance(cell, Cell)]
    before = [cell.fast for cell in cells]
    for cell in cells:
        cell.fast = False
    try:
        yield
    finally:
        for cell, fast in zip(cells, before, strict=True):
            cell.fast = fast
