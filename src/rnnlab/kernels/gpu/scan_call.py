"""A call of the kernels of scan.py."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.kernels.arguments import Options, Readout, Tensors
from rnnlab.kernels.gpu.answer import answer
from rnnlab.kernels.gpu.call import Asked, Call, contiguous, fits, padded
from rnnlab.kernels.gpu.products import products
from rnnlab.kernels.gpu.scan import ELMAN, GRU, LSTM, backward, forward


class _Cell(NamedTuple):
    """A cell: blocks of its input's and its state's weights by sums, of which it has G."""

    code: int
    activation: int
    of_input: tuple[int, ...]
    of_state: tuple[int, ...]
    sums: int


_CELLS = (
    *(_Cell(ELMAN.value, f, (0,), (0,), 1) for f in range(3)),
    _Cell(GRU.value, 0, (0, 1, 2), (0, 1, 3), 4),
    _Cell(LSTM.value, 0, (0, 1, 2, 3), (0, 1, 2, 3), 4),
)  # in the order of `SCAN_CELLS`
_HELD = 2**14  # numbers of the state's weights that stay with a program
_SUMMED = 32  # hidden units, symbols and classes of Elman networks whose gradients do too
_MANY = 256  # programs that keep a GPU busy, and do so with few warps each


class _Summed(NamedTuple):
    """The gradients of weights, of each block of sequences."""

    state_weight: Tensor
    table: Tensor
    bias: Tensor
    readout_weight: Tensor
    readout_bias: Tensor


class ScanCall(Call):
    """A call of these kernels."""

    def __init__(self, options: Options, cell: Tensors, tape: Tensor | None) -> None:
        self.kind = kind = _CELLS[options.kernel.cell]
        members, batch, size = cell.hidden.shape
        length, row = cell.inputs.shape[2], batch * size
        remembers = kind.code == LSTM.value
        gates = 0 if kind.code == ELMAN.value else kind.sums
        states = (length + 1) * row
        super().__init__(
            options, cell, size, [states, remembers * states, length * gates * row], tape
        )
        hidden, memory, self.activations = self.parts
        shape = (members, length + 1, batch, size)
        self.hidden = hidden.view(shape)
        self.memory = memory.view(shape) if remembers else None
        self.of_readout: tuple[Tensor | None, Tensor | None] = None, None
        self.summed: _Summed | None = None
        blocks = len(kind.of_state)
        self.options |= {
            "CELL": kind.code,
            "F": kind.activation,
            "Q": blocks,
            "G": kind.sums,
            "HELD": blocks * padded(size) ** 2 <= _HELD,
        }
        if kind.code == ELMAN.value and size <= _SUMMED and prod(self.grid) >= _MANY:
            self.options["num_warps"] = 1 if prod(self.grid) >= 8 * _MANY else 2

    def forward(self) -> None:
        """Write the tape."""
        self.hidden[:, 0] = self.cell.hidden
        if self.memory is not None:
            self.memory[:, 0] = self.cell.memory
        forward[self.grid](
            self.read_inputs(),
            self.ids,
            self.cell.state_weight,
            self.cell.bias,
            self.lengths,
            self.hidden,
            self.memory,
            self.activations,
            self.length,
            self.batch,
            self.input_size,
            self.size,
            P=len(self.kind.of_input),
            **self.options,
        )

    def outputs(self) -> Tensor:
        """Return the states after all steps, `(N, T, B, H)`."""
        return self.hidden[:, 1:]

    def last(self) -> tuple[Tensor, Tensor]:
        """Return the last `hidden` and `memory`."""
        memory = self.cell.memory if self.memory is None else self.memory[:, -1]
        return self.hidden[:, -1].clone(), memory.clone()

    def backward(self, of_outputs: Tensor | None, of_last: Sequence[Tensor | None]) -> None:
        """Compute the gradients of all sums."""
        self._backward(of_outputs, of_last)

    def learn(self, readout: Readout, asked: Asked) -> Tensor:
        """Compute losses, and the gradients of a readout and of all sums."""
        rows = self.at_wanted(self.outputs()).flatten(1, 2)
        if not fits(*readout.weight.shape[1:]):
            loss, of_rows, self.of_readout = answer(readout, rows, asked)
            self._backward(of_rows, (None, None))
            return loss
        loss, of_logits = self._backward(None, (None, None), readout, asked)
        if self.summed is not None:
            self.of_readout = self.summed.readout_weight.sum(1), self.summed.readout_bias.sum(1)
        else:
            of_weight, _, of_bias = products(of_logits, rows)
            self.of_readout = of_weight, of_bias
        return loss

    def _backward(
        self,
        of_outputs: Tensor | None,
        of_last: Sequence[Tensor | None],
        readout: Readout | None = None,
        asked: Asked | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the gradients of all sums; return losses `(N)` and the gradient of logits."""
        like, rows = self.hidden, self.length * self.batch
        steps, classes = self.wanted_steps(), 0 if readout is None else readout.weight.shape[1]
        losses = like.new_empty(self.grid)
        if self._can_sum(classes):
            self.summed = self._summed(classes)
            of_logits = self.of_sums = like.new_empty(0)
        else:
            of_logits = like.new_empty(self.members, steps * self.batch, classes)
            self.of_sums = like.new_empty(self.members, rows, self.kind.sums * self.size)
        self.of_hidden = torch.empty_like(self.cell.hidden)
        self.of_memory = torch.empty_like(self.cell.memory)
        backward[self.grid](
            self.cell.state_weight,
            self.ids,
            self.lengths,
            self.hidden,
            self.memory,
            self.activations,
            self.slots(),
            of_outputs,
            *contiguous(of_last),
            *((None, None) if readout is None else (readout.weight, readout.bias)),
            *((None, None) if asked is None else asked),
            losses,
            of_logits,
            self.of_sums,
            self.of_hidden,
            self.of_memory,
            *(self.summed or (None,) * len(_Summed._fields)),
            self.length,
            self.batch,
            self.input_size,
            self.size,
            steps,
            classes,
            IP=padded(0 if self.summed is None else self.input_size),
            OP=padded(classes),
            SUMMED=self.summed is not None,
            **self.options,
        )
        return losses.sum(1), of_logits

    def _can_sum(self, classes: int) -> bool:
        """Whether a program can add up the gradients of all weights, and there are so many of them.

        Fewer leave the sums to others, as `products` divides them.
        """
        small = max(self.size, self.input_size, classes) <= _SUMMED
        many = prod(self.grid) >= _MANY
        return self.kind.code == ELMAN.value and self.ids is not None and small and many

    def _summed(self, classes: int) -> "_Summed":
        size, symbols = self.size, self.input_size
        shapes = ((size, size), (size, symbols), (size,), (classes, size), (classes,))
        return _Summed._make(self.hidden.new_empty(*self.grid, *shape) for shape in shapes)

    def gradients(self, needed: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradients of `Tensors` but the mask."""
        of_hidden, of_memory, of_inputs = needed
        of_table, of_state, of_bias = self._of_weights() if self.summed is None else self._sums()
        return [
            of_table,
            of_state,
            of_bias,
            *self.of_readout,
            self.of_hidden if of_hidden else None,
            self.of_memory if of_memory else None,
            self.input_gradients(self._of_input_sums()) if of_inputs else None,
        ]

    def _of_input_sums(self) -> Tensor:
        return self.of_sums[:, :, : len(self.kind.of_input) * self.size]  # they come first

    def _of_weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of input weights, state weights and biases."""
        before = self.hidden[:, :-1].flatten(1, 2)
        of_state, of_table, of_bias = products(self.of_sums, before, self.ids, self.input_size)
        assert of_state is not None
        if of_table is None:
            of_table, _, _ = products(self._of_input_sums(), self.rows())
        assert of_table is not None
        of_table = of_table[:, : len(self.kind.of_input) * self.size]
        return of_table, _blocks(of_state, self.kind.of_state, self.size), of_bias

    def _sums(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same, where programs have added them up."""
        assert self.summed is not None
        return self.summed.table.sum(1), self.summed.state_weight.sum(1), self.summed.bias.sum(1)


def _blocks(rows: Tensor, blocks: Sequence[int], size: int) -> Tensor:
    """Select blocks of rows `(N, G H, X)`."""
    if list(blocks) == list(range(rows.shape[1] // size)):
        return rows
    return torch.cat([rows[:, b * size : (b + 1) * size] for b in blocks], dim=1)
