"""Calls of the kernels: what they take, and how threads share them.

Every tensor of a call has N members in front: one call computes them all.
"""

from collections.abc import Callable, Mapping, Sequence
from ctypes import addressof, byref, c_int, c_int64, c_void_p, cast
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlab.kernels.library import Struct, cell_blocks, cpp_function, struct_fields
from rnnlab.process.arithmetic import openmp_parallel

ACTIVATIONS = ("tanh", "sigmoid", "relu")
"""The activations of vectors.h, in its order."""

_FEWEST_ROWS = 16  # sequences that are worth a thread
_PER_THREAD = 4  # shares of members, which threads take one after another
_LEAST_WORK = 2**24  # multiplications of a forward pass, 0.3 ms or more, that are worth two threads


@dataclass(frozen=True)
class Kernel:
    """A kernel, and what it takes beside tensors and sizes.

    Attributes:
        name: scan, jordan or taps.
        cell: its index of the cell or the activation.
        taps: K of delay taps.
        decay: of a Jordan network's context.
        squashed: whether a Jordan network feeds back the softmax of its outputs.
        taught: whether a Jordan network's inputs end with `(target, forced)`, 2 O numbers.
        cells: the header of a cell of somebody's own.
    """

    name: str
    cell: int
    taps: int = 1
    decay: float = 0.0
    squashed: bool = False
    taught: bool = False
    cells: Path | None = None


class Tensors(NamedTuple):
    """What a kernel computes the outputs of one member from; G sums of H numbers each.

    Attributes:
        input_weight: `(P H, I)`, of the P blocks that read the input; of delay taps `(H, K I)`.
        state_weight: `(Q H, F)`, of the Q blocks that read the F numbers that are fed back, or
            None.
        bias: `(G H)`.
        readout_weight: `(O, H)` of a Jordan network, or None where `Readout` has it.
        readout_bias: `(O)` likewise.
        hidden: `(B, F)`, fed back before step 0; of delay taps `(B, (K - 1) I)`, the inputs before.
        memory: `(B, F)`, a memory cell or context before step 0; `(B, 0)` where there is none.
        inputs: `(B, T, I)`, or the indices `(B, T)` of one-hot inputs. With
            `Options.aged_inputs` `(D, B, T, I)`.
        mask: `(B, T)`, True on real steps, which come first; on the others the state stays.
    """

    input_weight: Tensor
    state_weight: Tensor | None
    bias: Tensor
    readout_weight: Tensor | None
    readout_bias: Tensor | None
    hidden: Tensor
    memory: Tensor
    inputs: Tensor
    mask: Tensor | None = None


_WEIGHTS, _OTHERS = Tensors._fields[:5], Tensors._fields[5:8]


class Readout(NamedTuple):
    """The linear readout of one member's logits, and what they should answer.

    Attributes:
        weight: `(O, H)`.
        bias: `(O)`.
        target: `(B, S)`.
        mask: `(B, S)`.
    """

    weight: Tensor
    bias: Tensor
    target: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Options:
    """A call of a kernel, but for its tensors.

    No tuple, whose parts `vmap` would go through at each call.

    Attributes:
        kernel: which one.
        steps: the S steps whose outputs are returned, `None` for all.
        horizon: D, steps that gradients flow back from each output, `None` for all.
        aged_inputs: whether the inputs have a copy for each age of a gradient, `(D, B, T, I)`: that
            of copy a is of outputs a steps later.
        aged_outputs: whether the outputs have, `(D, B, S, H)`.
        taped: whether to keep what the backward pass needs; else it computes the outputs again.
    """

    kernel: Kernel
    steps: Sequence[int] | None = None
    horizon: int | None = None
    aged_inputs: bool = False
    aged_outputs: bool = False
    taped: bool = True


class _Operation(IntEnum):
    """`Operation` in unrolling.h."""

    FORWARD = 0
    BACKWARD = 1
    LEARN = 2


class _Unrolling(Struct):
    """`Unrolling` in unrolling.h."""

    _fields_ = struct_fields(
        "batch length inputs size outputs wanted first rows horizon ages_above ages_below taps "
        "squashed taught",
        "decay",
        "steps input_weight state_weight bias readout_weight readout_bias hidden memory numbers "
        "ids mask tape states last_hidden last_memory of_states of_last_hidden of_last_memory "
        "of_input_weight of_state_weight of_bias of_readout_weight of_readout_bias of_hidden "
        "of_memory of_inputs",
    )


class _Call(Struct):
    """`Call` in threads.cpp."""

    _fields_ = (
        ("kernel", c_void_p),
        *struct_fields("cell operation first last", "", "net answer"),
    )


class _Answer(Struct):
    """`Answer` in answer.h."""

    _fields_ = struct_fields("classes", "", "weight bias target mask loss of_weight of_bias")


class _Share(NamedTuple):
    """What a thread computes in one call: some members, and some of the sequences of each."""

    members: range
    rows: range


def _shares(members: int, batch: int, work: int) -> list[_Share]:
    """Divide the work among as many threads as torch may use, by members or else by sequences.

    Args:
        members: N.
        batch: B.
        work: multiplications of one member's forward pass.
    """
    threads = torch.get_num_threads()
    if members == 1:
        most = min(threads, batch // _FEWEST_ROWS) if work >= _LEAST_WORK else 1
        return [_Share(range(1), rows) for rows in _parts(batch, max(1, most))]
    count = 1 if threads == 1 else min(_PER_THREAD * threads, members)
    return [_Share(part, range(batch)) for part in _parts(members, count)]


def _parts(total: int, count: int) -> list[range]:
    return [range(n * total // count, (n + 1) * total // count) for n in range(count)]


def _check(kernel: Kernel, cell: Tensors, steps: Sequence[int] | None, judged: bool) -> None:
    """Refuse tensors that a kernel would read or write beyond.

    Raises:
        ValueError: a shape or a type is not the one that the others ask for, or a step is not one.
        IndexError: a one-hot input has an index below 0 or above its size.
    """
    members, batch, fed = cell.hidden.shape
    size = fed if kernel.name == "scan" else cell.bias.shape[-1]
    inputs, columns = cell.inputs, cell.input_weight.shape[-1] // kernel.taps
    length = inputs.shape[-2] if inputs.is_floating_point() else inputs.shape[-1]
    sums, of_input, of_state, remembers = 1, 1, 1, int(kernel.name == "jordan")
    if kernel.name == "scan":
        sums, of_input, of_state, remembers = cell_blocks(kernel.cell, kernel.cells)
    taught = 2 * fed if kernel.taught and not judged else 0
    width = (columns + taught,) if inputs.is_floating_point() else ()
    wanted: dict[str, tuple[int, ...]] = {
        "input_weight": (members, of_input * size, kernel.taps * columns),
        "state_weight": (members, of_state * size, fed),
        "bias": (members, sums * size),
        "readout_weight": (members, fed, size),
        "readout_bias": (members, fed),
        "hidden": (members, batch, (kernel.taps - 1) * columns if kernel.name == "taps" else fed),
        "memory": (members, batch, fed * remembers),
        "inputs": (*inputs.shape[: inputs.dim() - 2 - len(width)], batch, length, *width),
        "mask": (members, batch, length),
    }
    for name, shape in wanted.items():
        part = getattr(cell, name)
        if part is None:
            continue
        if part.shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {tuple(part.shape)}")
        kinds = {"mask": (torch.bool,), "inputs": (torch.float32, torch.int64)}
        if part.dtype not in kinds.get(name, (torch.float32,)):
            raise ValueError(f"{name} must not be of {part.dtype}")
    if not inputs.is_floating_point():
        _check_range("one-hot inputs", inputs, None, columns)
    if steps is not None and list(steps) != sorted(set(steps).intersection(range(length))):
        raise ValueError(f"steps must ascend from 0 to {length - 1}, got {list(steps)}")


def _check_range(name: str, ids: Tensor, mask: Tensor | None, classes: int) -> None:
    in_range = cpp_function("rnnlab_in_range")
    pointer = None if mask is None else c_void_p(mask.data_ptr())
    if not in_range(c_void_p(ids.data_ptr()), pointer, c_int64(ids.numel()), c_int64(classes)):
        raise IndexError(f"{name} must be from 0 to {classes - 1}")


def _check_readout(readout: Readout, call: "_Request") -> None:
    """Refuse a readout and targets that don't fit the outputs of a call, as `_check` does."""
    members, batch, wanted, width = call.outputs
    answers = call.kernel.name == "jordan"
    size, classes = call.fields["size"], width if answers else readout.weight.shape[1]
    expected: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "weight": ((members, classes, size), torch.float32),
        "bias": ((members, classes), torch.float32),
        "target": ((members, batch, wanted), torch.int64),
        "mask": ((members, batch, wanted), torch.bool),
    }
    for name, (shape, dtype) in expected.items():
        part = getattr(readout, name)
        if part.shape != shape or part.dtype != dtype:
            raise ValueError(
                f"the readout's {name} must have the shape {shape} and {dtype}, got "
                f"{tuple(part.shape)} and {part.dtype}"
            )
    _check_range("targets", readout.target, readout.mask, classes)


class _Request:
    """A call of a kernel: the arguments that all operations share.

    Args:
        options: the call but for its tensors.
        cell: the tensors.
        judged: whether a readout and targets go with it.

    Attributes:
        outputs: the shape of the outputs.
    """

    def __init__(self, options: Options, cell: Tensors, *, judged: bool = False) -> None:
        kernel, inputs = options.kernel, cell.inputs
        _check(kernel, cell, options.steps, judged)
        if options.aged_inputs:
            inputs = inputs[:, 0].contiguous()
        self.members, batch, fed = cell.hidden.shape
        length, ages = inputs.shape[2], options.horizon or 1
        steps = _index(range(length) if options.steps is None else tuple(options.steps))
        size = fed if kernel.name == "scan" else cell.bias.shape[1]
        one_hot = not inputs.is_floating_point()
        self._joins = kernel.name == "taps" and not one_hot
        if self._joins:
            inputs = torch.cat(_taps_parts(cell, kernel.taps), dim=2)
        output_size = fed if kernel.name == "jordan" else size
        self.outputs = (self.members, batch, len(steps), output_size)
        self.fields: dict[str, Any] = {
            **{name: getattr(cell, name) for name in (*_WEIGHTS, "hidden", "memory", "mask")},
            "batch": batch,
            "length": length,
            "inputs": cell.input_weight.shape[2] // kernel.taps,
            "size": size,
            "outputs": output_size,
            "wanted": len(steps),
            "horizon": options.horizon or 0,
            "ages_above": ages if options.aged_outputs else 1,
            "ages_below": ages if options.aged_inputs else 1,
            "taps": kernel.taps,
            "squashed": kernel.squashed,
            "taught": kernel.taught,
            "decay": kernel.decay,
            "steps": steps,
            "numbers": None if one_hot else inputs,
            "ids": inputs if one_hot else None,
        }
        self.kernel, self.name = kernel, f"rnnlab_{kernel.name}"
        weights = [cell.input_weight, *([] if cell.state_weight is None else [cell.state_weight])]
        work = batch * length * sum(weight[0].numel() for weight in weights)
        self.shares = _shares(self.members, batch, work)

    def read_again(self, cell: Tensors) -> None:
        """Read numbers that are not read where they are."""
        if self._joins:
            torch.cat(_taps_parts(cell, self.kernel.taps), dim=2, out=self.fields["numbers"])

    def tape_size(self) -> int:
        """Return how many numbers the tape of one member has."""
        row = cpp_function(f"{self.name}_tape", self.kernel.cells, c_int64)
        return int(row(c_int(self.kernel.cell), byref(_Unrolling(**self.fields)))) * self.outputs[1]

    def sums(self, like: Tensor) -> Tensor:
        """Return zeros of a tensor's shape for each thread that adds to them."""
        return like.new_zeros(len(self.shares) if self.members == 1 else 1, *like.shape)

    def run(self, operation: _Operation, *arguments: Any) -> None:
        """Run the kernel; for the arguments see `prepare`."""
        self.prepare(operation, *arguments)()

    def prepare(
        self,
        operation: _Operation,
        tensors: Mapping[str, Tensor | None],
        sums: Mapping[str, Tensor],
        answer: Mapping[str, Any] | None = None,
        answer_sums: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> Callable[[], None]:
        """Return what runs the kernel with the memory of these tensors, as often as it is called.

        Args:
            operation: what to compute.
            tensors: fields of `Unrolling` that all threads write to or read.
            sums: fields of `Unrolling` that each thread adds to, as `self.sums` makes them.
            answer: fields of `Answer`.
            answer_sums: fields of `Answer` that each thread adds to.
        """
        kernel: Any = cpp_function(self.name, self.kernel.cells)
        calls, alive = (_Call * len(self.shares))(), []
        for n, (members, rows) in enumerate(self.shares):
            at = n if self.members == 1 else 0
            own = {name: buffer[at] for name, buffer in sums.items()}
            net = _Unrolling(**self.fields, **tensors, **own, first=rows.start, rows=len(rows))
            own = {name: buffer[at] for name, buffer in answer_sums.items()}
            judge = None if answer is None else _Answer(**answer, **own)
            alive += [net, judge]
            calls[n] = _Call(
                kernel=cast(kernel, c_void_p),
                cell=self.kernel.cell,
                operation=operation,
                first=members.start,
                last=members.stop,
                net=addressof(net),
                answer=None if judge is None else addressof(judge),
            )
        threads = min(torch.get_num_threads(), len(calls))
        parallel: Any = openmp_parallel() if threads > 1 else None
        run = cpp_function("rnnlab_calls", self.kernel.cells)
        numbers = c_int64(len(calls)), c_int64(threads)
        arguments = (calls, *numbers, None if parallel is None else cast(parallel, c_void_p))
        return partial(_launch, run, arguments, (alive, self.fields, tensors, answer))


def _taps_parts(cell: Tensors, taps: int) -> list[Tensor]:
    """Return what delay taps read: vectors before the sequence, and those of it."""
    return [cell.hidden.unflatten(2, (taps - 1, cell.inputs.shape[3])), cell.inputs]


def _launch(run: Callable[..., bool], arguments: Sequence[Any], alive: Sequence[Any]) -> None:
    """Run a kernel; `alive` are the objects whose memory the arguments point to."""
    del alive
    if not run(*arguments):
        raise MemoryError("nets too large, or sequences too long, for the memory of this machine")


def forward(options: Options, cell: Tensors) -> tuple[Tensor, ...]:
    """Return outputs, the last `hidden` and `memory`, and a tape."""
    call = _Request(options, cell)
    assert call.members == 1 or not options.taped, "a tape holds one member"
    states = torch.empty(call.outputs)
    hidden, memory = torch.empty_like(cell.hidden), torch.empty_like(cell.memory)
    tape = _TAPES.take(call.tape_size()) if options.taped else None
    written = {"states": states, "last_hidden": hidden, "last_memory": memory, "tape": tape}
    call.run(_Operation.FORWARD, written, {})
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
    call = _Request(options, cell)
    names = ("of_states", "of_last_hidden", "of_last_memory")
    given = (None if grad is None else grad.contiguous() for grad in grads)
    incoming = dict(zip(names, given, strict=False))
    others, sums = _gradients(call, cell, needed)
    call.run(_Operation.BACKWARD, incoming | others | {"tape": tape}, sums)
    return _found(sums, others)


def learn(
    options: Options, cell: Tensors, readout: Readout, needed: Sequence[bool]
) -> list[Tensor]:
    """Return losses, the last `hidden` and `memory`, and the gradients of all tensors."""
    call = PreparedLoss(options, cell, readout, needed)
    call.launch()
    return call.results()


class PreparedLoss:
    """A call of `learn` that is checked and laid out once, and computed as often as one likes.

    Args:
        options: the call but for its tensors.
        cell: contiguous tensors, whose numbers each launch reads anew.
        readout: likewise.
        needed: as for `learn`.

    Attributes:
        launch: computes for the first time.
    """

    def __init__(
        self, options: Options, cell: Tensors, readout: Readout, needed: Sequence[bool]
    ) -> None:
        call = _Request(options, cell, judged=True)
        _check_readout(readout, call)
        self._call, self._cell, self._readout = call, cell, readout
        self._last = {name: torch.empty_like(getattr(cell, name)) for name in ("hidden", "memory")}
        self._others, self._sums = _gradients(call, cell, needed)
        self._answers = {
            "loss": call.sums(cell.bias[:, 0]),
            "of_weight": call.sums(readout.weight),
            "of_bias": call.sums(readout.bias),
        }
        self.launch = call.prepare(
            _Operation.LEARN,
            self._others | {f"last_{name}": part for name, part in self._last.items()},
            self._sums,
            readout._asdict() | {"classes": readout.weight.shape[1]},
            self._answers,
        )
        self._of_one: list[Tensor] | None = None  # which are views of the same memory

    def again(self) -> list[Tensor]:
        """Compute from the numbers that the tensors hold now; return the results of one net.

        They are those of `learn` without N, in memory that the next launch overwrites.

        Raises:
            IndexError: an input or a target is not a symbol.
        """
        ids, readout = self._cell.inputs, self._readout
        if not ids.is_floating_point():
            _check_range("one-hot inputs", ids, None, self._call.fields["inputs"])
        _check_range("targets", readout.target, readout.mask, readout.weight.shape[1])
        self._call.read_again(self._cell)
        torch._foreach_zero_([*self._sums.values(), *self._answers.values()])
        self.launch()
        if self._of_one is None or len(self._call.shares) > 1:
            self._of_one = [part[0] for part in self.results()]
        return self._of_one

    def results(self) -> list[Tensor]:
        """Return what `learn` does, in memory that the next launch overwrites."""
        loss, *of_readout = (_total(sum) for sum in self._answers.values())
        empty = loss.new_empty(len(loss), 0)
        of_cell = (empty if p is None else p for p in _found(self._sums, self._others))
        return [loss, *self._last.values(), *of_cell, *of_readout]


def give_back(tape: Tensor) -> None:
    """Take back a tape that nobody reads any more."""
    _TAPES.give(tape)


def _gradients(
    call: _Request, cell: Tensors, needed: Sequence[bool]
) -> tuple[dict[str, Tensor | None], dict[str, Tensor]]:
    """Allocate the gradients of a cell's tensors: those of some, and sums of those of weights."""
    weights = {name: getattr(cell, name) for name in _WEIGHTS}
    sums = {f"of_{name}": call.sums(part) for name, part in weights.items() if part is not None}
    others = {
        f"of_{name}": torch.empty_like(getattr(cell, name)) if wanted else None
        for name, wanted in zip(_OTHERS, needed, strict=True)
    }
    return others, sums


def _found(sums: Mapping[str, Tensor], others: Mapping[str, Tensor | None]) -> list[Tensor | None]:
    """Return gradients in the order of `Tensors`."""
    total = {name: _total(sum) for name, sum in sums.items()}
    return [*(total.get(f"of_{name}") for name in _WEIGHTS), *others.values()]


def _total(sum: Tensor) -> Tensor:
    return sum[0] if sum.shape[0] == 1 else sum.sum(0)


@lru_cache(maxsize=64)
def _index(steps: Sequence[int]) -> Tensor:
    return torch.tensor(steps)


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
