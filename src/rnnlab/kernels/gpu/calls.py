"""Calls of the Triton kernels: as `rnnlab.kernels.calls`, for tensors of a GPU.

Each operation takes and returns the same tensors as there.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor
from torch.nn import functional as F

from rnnlab.kernels.calls import Kernel, Options, Readout, Tensors
from rnnlab.kernels.gpu import jordan, scan
from rnnlab.kernels.gpu.products import products

_LARGEST = 128  # numbers of a vector that a program keeps
_HELD = 2**14  # numbers of the state's weights that stay with a program
_READOUT = 2**13  # numbers of a readout's weights that do
_ROWS = 16  # sequences of a program
_STAGES = 3  # of loads ahead of their use


class _Cell(NamedTuple):
    """A cell of scan.py: blocks of its input's and its state's weights by sums, of which G."""

    code: int
    activation: int
    of_input: tuple[int, ...]
    of_state: tuple[int, ...]
    sums: int


_CELLS = (
    *(_Cell(scan.ELMAN.value, f, (0,), (0,), 1) for f in range(3)),
    _Cell(scan.GRU.value, 0, (0, 1, 2), (0, 1, 3), 4),
    _Cell(scan.LSTM.value, 0, (0, 1, 2, 3), (0, 1, 2, 3), 4),
)  # in the order of `Cells` in cells.h


def computes(kernel: Kernel, size: int, fed: int) -> bool:
    """Whether there is a kernel of this name for H hidden units that read F fed-back numbers."""
    if kernel.cells is not None or max(size, fed) > _LARGEST:
        return False
    return kernel.name == "scan" or (kernel.name == "jordan" and _fits(size, fed))


def forward(options: Options, cell: Tensors) -> tuple[Tensor, ...]:
    """Return outputs, the last `hidden` and `memory`, and a tape."""
    call = _call(options, cell)
    call.forward()
    hidden, memory = call.last()
    return call.wanted(call.outputs()), hidden, memory, call.tape.flat


def backward(
    options: Options,
    cell: Tensors,
    tape: Tensor | None,
    grads: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Return the gradients of `Tensors` but the mask, from those of the outputs of `forward`."""
    call = _call(options, cell, tape)
    if tape is None:
        call.forward()
    of_states, *of_last = grads[:3]
    rows = None if of_states is None else of_states.transpose(1, 2).contiguous()
    call.backward(rows, of_last)
    return call.gradients(needed)


def learn(
    options: Options, cell: Tensors, readout: Readout, needed: Sequence[bool]
) -> list[Tensor]:
    """Return losses, the last `hidden` and `memory`, and the gradients of all tensors."""
    right = torch.where(readout.mask, readout.target, -1).transpose(1, 2).contiguous().int()
    share = readout.mask.flatten(1).sum(1).reciprocal()
    if options.kernel.name == "jordan":
        cell = cell._replace(readout_weight=readout.weight, readout_bias=readout.bias)
        if options.kernel.taught:
            cell = cell._replace(inputs=_taught(cell, right))
    call = _call(options, cell)
    call.forward()
    if options.kernel.name == "jordan":
        loss = call.backward(None, (None, None), _Judged(None, None, right, share))
        of_cell = call.gradients(needed)
        of_readout, of_cell[3:5] = of_cell[3:5], (None, None)
        if options.kernel.taught:
            of_cell[7] = None
    elif _fits(*readout.weight.shape[1:]):
        judged = _Judged(readout.weight, readout.bias, right, share)
        loss = call.backward(None, (None, None), judged)
        of_readout = call.readout_gradients()
        of_cell = call.gradients(needed)
    else:
        loss, of_rows, of_readout = _answer(readout, call.wanted_rows(), right, share)
        call.backward(of_rows, (None, None))
        of_cell = call.gradients(needed)
    empty = loss.new_empty(len(loss), 0)
    of_all = (empty if part is None else part for part in (*of_cell, *of_readout))
    return [loss, *call.last(), *of_all]


def _fits(*sizes: int) -> bool:
    """Whether a program can hold a readout of these sizes."""
    return prod(map(_padded, sizes)) <= _READOUT


def _padded(size: int) -> int:
    """Return the size of a block."""
    return max(16, triton.next_power_of_2(size))


def _warps(size: int) -> int:
    """Return the warps of a program: more would idle, fewer lack registers."""
    return 4 if size <= 32 else 8


def give_back(tape: Tensor) -> None:
    """Do nothing: torch keeps the memory of a GPU."""
    del tape


class _Judged(NamedTuple):
    """A readout `(N, O, H)`, `(N, O)`, the right classes `(N, S, B)` or -1, and the shares `(N)`.

    A Jordan network has its readout inside.
    """

    weight: Tensor | None
    bias: Tensor | None
    right: Tensor
    share: Tensor


class _Tape:
    """One piece of memory for all that the backward pass reads."""

    def __init__(self, members: int, sizes: Sequence[int], like: Tensor, flat: Tensor | None):
        self.flat = like.new_empty(members, sum(sizes)) if flat is None else flat
        parts = self.flat.view(-1).split([members * size for size in sizes])
        self.parts = list(parts)


class _Call:
    """What calls of all kernels share.

    Args:
        options: the call but for its tensors.
        cell: the tensors.
        tape: of the forward pass.
        size: of the hidden layer.
        sums: G.
    """

    def __init__(self, options: Options, cell: Tensors, size: int) -> None:
        kernel, inputs = options.kernel, cell.inputs
        self.cell, self.kernel, self.size = cell, kernel, size
        self.members, self.batch, fed = cell.hidden.shape
        self.inputs = cell.input_weight.shape[2]
        self.length = inputs.shape[2]
        self.steps = options.steps
        one_hot = not inputs.is_floating_point()
        rows = inputs.transpose(1, 2)  # time-major
        self.ids = rows.contiguous().int() if one_hot else None
        self.numbers = None if one_hot else rows
        self.lengths = None if cell.mask is None else cell.mask.sum(2, dtype=torch.int32)
        self.block = _ROWS
        self.grid = (self.members, triton.cdiv(self.batch, self.block))
        self.fed = fed
        self.tape: _Tape

    def read_inputs(self) -> Tensor:
        """Return a row `(N, I, P H)` for each id, or the products `(N, T B, P H)` of the inputs."""
        table = self.cell.input_weight.transpose(1, 2)
        if self.numbers is None:
            return table.contiguous()
        return torch.bmm(self.rows(), table)

    def rows(self) -> Tensor:
        """Return the inputs `(N, T B, I)`, time-major."""
        assert self.numbers is not None
        return self.numbers[..., : self.inputs].flatten(1, 2).contiguous()

    def slots(self) -> Tensor:
        """Return which of the wanted steps each is, or -1, `(T)`."""
        wanted = range(self.length) if self.steps is None else self.steps
        slots = [-1] * self.length
        for slot, step in enumerate(wanted):
            slots[step] = slot
        return _on_device(tuple(slots), torch.int32, self.cell.hidden.device)

    def wanted(self, states: Tensor) -> Tensor:
        """Select the wanted steps of `(N, T, B, X)`; return `(N, B, S, X)`."""
        return self.at_wanted(states).transpose(1, 2)

    def at_wanted(self, states: Tensor) -> Tensor:
        """Select the wanted steps of `(N, T, B, X)`; consecutive ones are not copied."""
        if self.steps is None:
            return states
        first, count = self.steps[0] if self.steps else 0, len(self.steps)
        if list(self.steps) == list(range(first, first + count)):
            return states[:, first : first + count]
        return states[:, _on_device(tuple(self.steps), torch.int64, states.device)]

    def input_gradients(self, of_sums: Tensor) -> Tensor:
        """Return the gradient of the inputs `(N, B, T, I)` from that of their sums, by rows."""
        found = torch.bmm(of_sums, self.cell.input_weight)
        return found.unflatten(1, (self.length, self.batch)).transpose(1, 2)


class _Scan(_Call):
    """A call of scan.py."""

    def __init__(self, options: Options, cell: Tensors, tape: Tensor | None) -> None:
        super().__init__(options, cell, cell.hidden.shape[2])
        self.kind = _CELLS[self.kernel.cell]
        row = self.batch * self.size
        remembers = self.kind.code == scan.LSTM.value
        gates = self.kind.sums if self.kind.code != scan.ELMAN.value else 0
        sizes = [(self.length + 1) * row, remembers * (self.length + 1) * row]
        self.tape = _Tape(self.members, [*sizes, self.length * gates * row], cell.hidden, tape)
        hidden, memory, self.activations = self.tape.parts
        shape = (self.members, self.length + 1, self.batch, self.size)
        self.hidden = hidden.view(shape)
        self.memory = memory.view(shape) if remembers else None
        weights = cell.state_weight
        assert weights is not None
        self.state_weight = weights
        self.options: dict[str, Any] = {
            "CELL": self.kind.code,
            "F": self.kind.activation,
            "Q": len(self.kind.of_state),
            "G": self.kind.sums,
            "BB": self.block,
            "num_warps": _warps(self.size),
            "num_stages": _STAGES,
            "HP": _padded(self.size),
            "HELD": len(self.kind.of_state) * _padded(self.size) ** 2 <= _HELD,
        }

    def forward(self) -> None:
        """Write the tape."""
        self.hidden[:, 0] = self.cell.hidden
        if self.memory is not None:
            self.memory[:, 0] = self.cell.memory
        scan.forward[self.grid](
            self.read_inputs(),
            self.ids,
            self.state_weight,
            self.cell.bias,
            self.lengths,
            self.hidden,
            self.memory,
            self.activations,
            self.length,
            self.batch,
            self.inputs,
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

    def wanted_rows(self) -> Tensor:
        """Return the states after the wanted steps, `(N, S B, H)`."""
        return self.at_wanted(self.outputs()).flatten(1, 2)

    def backward(
        self,
        of_outputs: Tensor | None,
        of_last: Sequence[Tensor | None],
        judged: _Judged | None = None,
    ) -> Tensor:
        """Compute the gradients of the sums; return losses `(N)` of a readout."""
        like = self.hidden
        steps = self.length if self.steps is None else len(self.steps)
        classes = 0 if judged is None else judged.weight.shape[1]  # type: ignore[union-attr]
        losses = like.new_empty(self.grid)
        self.of_logits = like.new_empty(self.members, steps * self.batch, classes)
        self.of_sums = like.new_empty(
            self.members, self.length * self.batch, self.kind.sums * self.size
        )
        self.of_hidden = torch.empty_like(self.cell.hidden)
        self.of_memory = torch.empty_like(self.cell.memory)
        of_hidden, of_memory = (None if g is None else g.contiguous() for g in of_last)
        scan.backward[self.grid](
            self.state_weight,
            self.lengths,
            self.hidden,
            self.memory,
            self.activations,
            self.slots(),
            of_outputs,
            of_hidden,
            of_memory,
            *(judged or (None,) * 4),
            losses,
            self.of_logits,
            self.of_sums,
            self.of_hidden,
            self.of_memory,
            self.length,
            self.batch,
            self.size,
            steps,
            classes,
            OP=_padded(classes),
            **self.options,
        )
        return losses.sum(1)

    def readout_gradients(self) -> list[Tensor]:
        """Return the gradients of a readout's weight and bias."""
        of_weight, _, of_bias = products(self.of_logits, self.wanted_rows())
        assert of_weight is not None
        return [of_weight, of_bias]

    def gradients(self, needed: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradients of `Tensors` but the mask."""
        before = self.hidden[:, :-1].flatten(1, 2)
        of_state, of_table, of_bias = products(self.of_sums, before, self.ids, self.inputs)
        assert of_state is not None
        read = len(self.kind.of_input) * self.size  # the sums that read the input come first
        of_input_sums = self.of_sums[:, :, :read]
        if of_table is None:
            of_table, _, _ = products(of_input_sums, self.rows())
        assert of_table is not None
        of_hidden, of_memory, of_inputs = needed
        return [
            of_table[:, :read],
            _blocks(of_state, self.kind.of_state, self.size),
            of_bias,
            None,
            None,
            self.of_hidden if of_hidden else None,
            self.of_memory if of_memory else None,
            self.input_gradients(of_input_sums) if of_inputs else None,
        ]


class _Jordan(_Call):
    """A call of jordan.py."""

    def __init__(self, options: Options, cell: Tensors, tape: Tensor | None) -> None:
        super().__init__(options, cell, cell.bias.shape[1])
        row, fed = self.length * self.batch * self.size, self.length * self.batch * self.fed
        self.tape = _Tape(self.members, [fed, row, fed], cell.hidden, tape)
        shape = (self.members, self.length, self.batch)
        contexts, activations, spoken = self.tape.parts
        self.contexts = contexts.view(*shape, self.fed)
        self.activations = activations.view(*shape, self.size)
        self.spoken = spoken.view(*shape, self.fed)
        self.targets = None
        if self.kernel.taught:
            assert self.numbers is not None
            self.targets = self.numbers[..., self.inputs :].contiguous()
        self.options: dict[str, Any] = {
            "F": self.kernel.cell,
            "SQUASHED": self.kernel.squashed,
            "TAUGHT": self.kernel.taught,
            "BB": self.block,
            "num_warps": _warps(self.size),
            "num_stages": _STAGES,
            "HP": _padded(self.size),
            "OP": _padded(self.fed),
        }

    def forward(self) -> None:
        """Write the tape."""
        cell = self.cell
        self._last, self._last_context = (torch.empty_like(cell.hidden) for _ in range(2))
        jordan.forward[self.grid](
            self.read_inputs(),
            self.ids,
            self.targets,
            cell.state_weight,
            cell.bias,
            cell.readout_weight,
            cell.readout_bias,
            self.lengths,
            cell.hidden,
            cell.memory,
            self.contexts,
            self.activations,
            self.spoken,
            self._last,
            self._last_context,
            self.kernel.decay,
            self.length,
            self.batch,
            self.inputs,
            self.size,
            self.fed,
            **self.options,
        )

    def outputs(self) -> Tensor:
        """Return the outputs of all steps, `(N, T, B, O)`."""
        return self.spoken

    def last(self) -> tuple[Tensor, Tensor]:
        """Return the last `hidden` and `memory`."""
        return self._last, self._last_context

    def backward(
        self,
        of_outputs: Tensor | None,
        of_last: Sequence[Tensor | None],
        judged: _Judged | None = None,
    ) -> Tensor:
        """Compute the gradients of sums and outputs; return losses `(N)`."""
        like, cell = self.spoken, self.cell
        rows = self.members, self.length * self.batch
        steps = self.length if self.steps is None else len(self.steps)
        losses = like.new_empty(self.grid)
        self.of_answers = like.new_empty(*rows, self.fed)
        self.of_sums = like.new_empty(*rows, self.size)
        self.of_targets = like.new_empty(*rows, self.fed) if self.kernel.taught else None
        self.of_first, self.of_first_context = (torch.empty_like(cell.hidden) for _ in range(2))
        of_hidden, of_context = (None if g is None else g.contiguous() for g in of_last)
        jordan.backward[self.grid](
            self.targets,
            cell.state_weight,
            cell.readout_weight,
            self.lengths,
            self.activations,
            self.spoken,
            self.slots(),
            of_outputs,
            of_hidden,
            of_context,
            None if judged is None else judged.right,
            None if judged is None else judged.share,
            losses,
            self.of_answers,
            self.of_sums,
            self.of_targets,
            self.of_first,
            self.of_first_context,
            self.kernel.decay,
            self.length,
            self.batch,
            self.size,
            self.fed,
            steps,
            **self.options,
        )
        return losses.sum(1)

    def gradients(self, needed: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradients of `Tensors` but the mask."""
        of_readout, _, of_readout_bias = products(self.of_answers, self.activations.flatten(1, 2))
        contexts = self.contexts.flatten(1, 2)
        of_state, of_table, of_bias = products(self.of_sums, contexts, self.ids, self.inputs)
        if of_table is None:
            of_table, _, _ = products(self.of_sums, self.rows())
        of_hidden, of_memory, of_inputs = needed
        return [
            of_table,
            of_state,
            of_bias,
            of_readout,
            of_readout_bias,
            self.of_first if of_hidden else None,
            self.of_first_context if of_memory else None,
            self._input_gradients() if of_inputs else None,
        ]

    def _input_gradients(self) -> Tensor:
        found = self.input_gradients(self.of_sums)
        if self.of_targets is None:
            return found
        shape = (self.members, self.length, self.batch, self.fed)
        of_targets = self.of_targets.view(shape).transpose(1, 2)
        return torch.cat([found, of_targets, torch.zeros_like(of_targets)], dim=3)


def _call(options: Options, cell: Tensors, tape: Tensor | None = None) -> Any:
    kind = _Jordan if options.kernel.name == "jordan" else _Scan
    return kind(options, cell, tape)


@lru_cache(maxsize=64)
def _on_device(numbers: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return numbers that are copied to a device once."""
    return torch.tensor(numbers, dtype=dtype, device=device)


def _blocks(rows: Tensor, blocks: Sequence[int], size: int) -> Tensor:
    """Select blocks of rows `(N, G H, X)`."""
    if list(blocks) == list(range(rows.shape[1] // size)):
        return rows
    return torch.cat([rows[:, b * size : (b + 1) * size] for b in blocks], dim=1)


def _taught(cell: Tensors, right: Tensor) -> Tensor:
    """Append to the inputs the targets of the steps before, and where there are any."""
    inputs, classes = cell.inputs, cell.hidden.shape[2]
    if not inputs.is_floating_point():
        inputs = F.one_hot(inputs, cell.input_weight.shape[2]).float()
    before = F.pad(right, (0, 0, 1, 0), value=-1)[:, :-1].transpose(1, 2)  # (N, B, T)
    target = F.one_hot(before.clamp(min=0).long(), classes)
    forced = (before >= 0)[..., None].expand_as(target)
    return torch.cat([inputs, target, forced], dim=3)


def _answer(
    readout: Readout, rows: Tensor, right: Tensor, share: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Compute a readout of many classes.

    Args:
        readout: O classes.
        rows: `(N, S B, H)`.
        right: `(N, S, B)`, the classes or -1.
        share: `(N)`, the factor of each loss.

    Returns:
        losses `(N)`, the gradient of the rows `(N, S, B, H)`, and those of weight and bias.
    """
    right_rows = right.flatten(1)[..., None].long()
    asked = right_rows >= 0
    wanted = right_rows.clamp(min=0)
    logits = torch.baddbmm(readout.bias[:, None], rows, readout.weight.transpose(1, 2))
    logits = logits.log_softmax(2)
    shares = asked * share[:, None, None]
    loss = -(logits.gather(2, wanted) * shares).sum((1, 2))
    of_logits = logits.exp_()
    of_logits = of_logits.scatter_add_(2, wanted, -torch.ones_like(shares)).mul_(shares)
    of_rows = torch.bmm(of_logits, readout.weight).view(*right.shape, -1)
    of_weight, of_bias = torch.bmm(of_logits.transpose(1, 2), rows), of_logits.sum(1)
    return loss, of_rows, [of_weight, of_bias]
