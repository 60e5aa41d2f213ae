"""Calls of the kernels on a CPU."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnlab.kernels.arguments import Options, Readout, Tensors
from rnnlab.kernels.prepared_loss import PreparedLoss, found, gradients
from rnnlab.kernels.request import Operation, Request


def forward(options: Options, cell: Tensors) -> tuple[Tensor, ...]:
    """Return outputs, the last `hidden` and `memory`, and a tape."""
    call = Request(options, cell)
    assert call.members == 1 or not options.taped, "a tape holds one member"
    states = torch.empty(call.outputs)
    hidden, memory = torch.empty_like(cell.hidden), torch.empty_like(cell.memory)
    tape = _TAPES.take(call.tape_size()) if options.taped else None
    written = {"states": states, "last_hidden": hidden, "last_memory": memory, "tape": tape}
    call.run(Operation.FORWARD, written, {})
    if options.aged_outputs:
        states = states[:, None].repeat(1, options.horizon or 1, 1, 1, 1)
    return states, hidden, memory, states.new_empty(1, 0) if tape is None else tape


def backward(
    options: Options,
    cell: Tensors,
    tape: Tensor | None,
    grads: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Return the gradients of `Tensors` but the mask, from those of the outputs of `forward`."""
    call = Request(options, cell)
    names = ("of_states", "of_last_hidden", "of_last_memory")
    given = (None if grad is None else grad.contiguous() for grad in grads)
    incoming = dict(zip(names, given, strict=False))
    others, sums = gradients(call, cell, needed)
    call.run(Operation.BACKWARD, incoming | others | {"tape": tape}, sums)
    return found(sums, others)


def learn(
    options: Options, cell: Tensors, readout: Readout, needed: Sequence[bool]
) -> list[Tensor]:
    """Return losses, the last `hidden` and `memory`, and the gradients of all tensors."""
    call = PreparedLoss(options, cell, readout, needed)
    call.launch()
    return call.results()


def give_back(tape: Tensor) -> None:
    """Take back a tape that nobody reads any more."""
    _TAPES.give(tape)


class _Tapes:
    """Tapes that are used again and again.

    New memory would cost the system as much time as it takes to compute what is written to it.
    """

    _MOST = 8  # that are kept
    _LARGEST = 2**26  # numbers of one that is

    def __init__(self) -> None:
        self._free: list[Tensor] = []

    def take(self, numbers: int) -> Tensor:
        """Return `(1, numbers)`, of undefined values."""
        free, self._free = self._free, []  # in one step, as other threads take tapes too
        fitting = [n for n, tape in enumerate(free) if len(tape) >= numbers]
        tape = free.pop(min(fitting, key=lambda n: len(free[n]))) if fitting else None
        self._free += free
        return (torch.empty(numbers) if tape is None else tape)[None, :numbers]

    def give(self, tape: Tensor) -> None:
        """Take back a tape that nobody reads any more; the largest are kept."""
        base = tape if tape._base is None else tape._base
        if len(base) > self._LARGEST:
            return
        self._free = sorted([base, *self._free], key=len)[-self._MOST :]


_TAPES = _Tapes()
