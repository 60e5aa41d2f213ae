"""What calls of the Triton kernels have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from rnnlab.kernels.arguments import Options, Readout, Tensors

LARGEST = 128  # numbers of a vector that a program keeps
_READOUT = 2**13  # numbers of a readout's weights that stay with a program
_ROWS = 16  # sequences of a program
_STAGES = 3  # of loads ahead of their use


class Asked(NamedTuple):
    """What the answers of all members should be.

    Attributes:
        right: `(N, S, B)` int32, the right classes, -1 where none is asked for.
        share: `(N)`, the factor of each loss, one over the number of answers.
    """

    right: Tensor
    share: Tensor


class Call(ABC):
    """A call of the kernels of a cell; its tensors are time-major inside.

    Args:
        options: the call but for its tensors.
        cell: the tensors.
        size: H of the hidden layer.
        parts: how many numbers of a member each part of the tape has.
        tape: that of the forward pass, or `None` for a new one.

    Attributes:
        tape: `(N, X)`, what the backward pass reads.
        parts: the parts of the tape, flat, with all members.
    """

    def __init__(
        self, options: Options, cell: Tensors, size: int, parts: Sequence[int], tape: Tensor | None
    ) -> None:
        self.cell, self.kernel, self.steps = cell, options.kernel, options.steps
        self.members, self.batch, self.fed = cell.hidden.shape
        self.length, self.size = cell.inputs.shape[2], size
        self.input_size = cell.input_weight.shape[2]
        rows = cell.inputs.transpose(1, 2)
        one_hot = not rows.is_floating_point()
        self.ids = rows.contiguous().int() if one_hot else None
        self.numbers = None if one_hot else rows
        self.lengths = None if cell.mask is None else cell.mask.sum(2, dtype=torch.int32)
        self.tape = cell.hidden.new_empty(self.members, sum(parts)) if tape is None else tape
        self.parts = self.tape.view(-1).split([self.members * part for part in parts])
        self.grid = self.members, triton.cdiv(self.batch, _ROWS)
        self.options: dict[str, Any] = {
            "BB": _ROWS,
            "HP": padded(size),
            "num_warps": 4 if size <= 32 else 8,
            "num_stages": _STAGES,
        }

    @abstractmethod
    def forward(self) -> None:
        """Write the tape."""

    @abstractmethod
    def outputs(self) -> Tensor:
        """Return the outputs of all steps, `(N, T, B, O)`, after `forward`."""

    @abstractmethod
    def last(self) -> tuple[Tensor, Tensor]:
        """Return the last `hidden` and `memory`, after `forward`."""

    @abstractmethod
    def backward(self, of_outputs: Tensor | None, of_last: Sequence[Tensor | None]) -> None:
        """Go back from the gradients of wanted outputs, `(N, S, B, O)`, and of the last vectors."""

    @abstractmethod
    def learn(self, readout: Readout, asked: Asked) -> Tensor:
        """Go back from the losses of a readout; return these, `(N)`."""

    @abstractmethod
    def gradients(self, needed: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradients of `Tensors` but the mask, after `backward` or `learn`.

        After `learn` those of the readout are among them.
        """

    def read_inputs(self) -> Tensor:
        """Return a row `(N, I, P H)` for each id, or the products `(N, T B, P H)` of the inputs."""
        table = self.cell.input_weight.transpose(1, 2)
        return table.contiguous() if self.numbers is None else torch.bmm(self.rows(), table)

    def rows(self) -> Tensor:
        """Return the inputs `(N, T B, I)`."""
        assert self.numbers is not None
        return self.numbers[..., : self.input_size].flatten(1, 2).contiguous()

    def input_gradients(self, of_sums: Tensor) -> Tensor:
        """Return the gradient of the inputs `(N, B, T, I)` from that of their sums, by rows."""
        found = torch.bmm(of_sums, self.cell.input_weight)
        return found.unflatten(1, (self.length, self.batch)).transpose(1, 2)

    def wanted_steps(self) -> int:
        """Return S, how many steps are wanted."""
        return self.length if self.steps is None else len(self.steps)

    def slots(self) -> Tensor:
        """Return which of the wanted steps each is, or -1, `(T)`."""
        slots = [-1] * self.length
        for slot, step in enumerate(range(self.length) if self.steps is None else self.steps):
            slots[step] = slot
        return on_device(tuple(slots), torch.int32, self.cell.hidden.device)

    def at_wanted(self, outputs: Tensor) -> Tensor:
        """Select the wanted steps of `(N, T, B, X)`; consecutive ones are not copied."""
        if self.steps is None:
            return outputs
        first, count = self.steps[0] if self.steps else 0, len(self.steps)
        if list(self.steps) == list(range(first, first + count)):
            return outputs[:, first : first + count]
        return outputs[:, on_device(tuple(self.steps), torch.int64, outputs.device)]


def fits(*sizes: int) -> bool:
    """Whether a program can hold a readout of these sizes."""
    return prod(map(padded, sizes)) <= _READOUT


def padded(size: int) -> int:
    """Return the size of a block."""
    return max(16, triton.next_power_of_2(size))


def contiguous(tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Return tensors whose numbers lie in order."""
    return [None if tensor is None else tensor.contiguous() for tensor in tensors]


@lru_cache(maxsize=64)
def on_device(numbers: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return numbers that are copied to a device once, for a CUDA graph can't copy them."""
    return torch.tensor(numbers, dtype=dtype, device=device)
