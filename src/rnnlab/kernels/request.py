"""A call of a kernel as C++ reads it, and how threads share it."""

from collections.abc import Mapping, Sequence
from ctypes import addressof, byref, c_int, c_int64, c_void_p, cast
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlab.kernels.arguments import Options, Tensors
from rnnlab.kernels.checks import check
from rnnlab.kernels.library import Struct, cpp_function, struct_fields
from rnnlab.process.arithmetic import openmp_parallel

_FEWEST_ROWS = 16  # sequences that are worth a thread
_PER_THREAD = 4  # shares of members, which threads take one after another
_LEAST_WORK = 2**24  # multiplications of a forward pass, 0.3 ms or more, that are worth two threads


class Operation(IntEnum):
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


class Request:
    """A call of a kernel: the arguments that all operations share.

    Args:
        options: the call but for its tensors.
        cell: the tensors.
        judged: whether a readout and targets go with it.

    Attributes:
        outputs: the shape of the outputs.
    """

    def __init__(self, options: Options, cell: Tensors, *, judged: bool = False) -> None:
        self.kernel = kernel = options.kernel
        self.name = f"rnnlab_{kernel.name}"
        check(kernel, cell, options.steps, judged)
        if options.aged_inputs:
            cell = cell._replace(inputs=cell.inputs[:, 0].contiguous())
        self.members, batch, fed = cell.hidden.shape
        length, ages = cell.inputs.shape[2], options.horizon or 1
        steps = _index(range(length) if options.steps is None else tuple(options.steps))
        size = fed if kernel.name == "scan" else cell.bias.shape[1]
        output_size = fed if kernel.name == "jordan" else size
        self.outputs = (self.members, batch, len(steps), output_size)
        self.fields: dict[str, Any] = {
            **self.read(cell),
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
        }
        weights = [cell.input_weight, *([] if cell.state_weight is None else [cell.state_weight])]
        work = batch * length * sum(weight[0].numel() for weight in weights)
        self.shares = _shares(self.members, batch, work)

    def read(self, cell: Tensors) -> dict[str, Tensor | None]:
        """Return fields of `Unrolling`: the tensors of a cell, with N in front or without."""
        *others, inputs, mask = cell
        numbers, ids = (inputs, None) if inputs.is_floating_point() else (None, inputs)
        if numbers is not None and self.kernel.name == "taps":  # those before go in front
            before = cell.hidden.unflatten(-1, (self.kernel.taps - 1, inputs.shape[-1]))
            numbers = torch.cat([before, inputs], dim=-2)
        fields = (*Tensors._fields[:7], "mask", "numbers", "ids")
        return dict(zip(fields, (*others, mask, numbers, ids), strict=True))

    def tape_size(self) -> int:
        """Return how many numbers the tape of one member has."""
        row = cpp_function(f"{self.name}_tape", self.kernel.cells, c_int64)
        return int(row(c_int(self.kernel.cell), byref(_Unrolling(**self.fields)))) * self.outputs[1]

    def sums(self, like: Tensor) -> Tensor:
        """Return zeros of a tensor's shape for each thread that adds to them."""
        return like.new_zeros(len(self.shares) if self.members == 1 else 1, *like.shape)

    def run(self, operation: Operation, *arguments: Any) -> None:
        """Run the kernel; for the arguments see `Launch`."""
        Launch(self, operation, *arguments)()


class Launch:
    """Runs a kernel as often as it is called.

    Args:
        request: the call.
        operation: what to compute.
        tensors: fields of `Unrolling` that all threads write to or read.
        sums: fields of `Unrolling` that each thread adds to, as `Request.sums` makes them.
        answer: fields of `Answer`.
        answer_sums: fields of `Answer` that each thread adds to.
    """

    def __init__(
        self,
        request: Request,
        operation: Operation,
        tensors: Mapping[str, Tensor | None],
        sums: Mapping[str, Tensor],
        answer: Mapping[str, Any] | None = None,
        answer_sums: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        kernel: Any = cpp_function(request.name, request.kernel.cells)
        calls = (_Call * len(request.shares))()
        self._nets: list[_Unrolling] = []
        self._answers: list[_Answer] = []
        self._alive = request, tensors, sums, answer, answer_sums  # whose memory is read or written
        self._read: Any = None
        for n, (members, rows) in enumerate(request.shares):
            at = n if request.members == 1 else 0
            own = {name: buffer[at] for name, buffer in sums.items()}
            net = _Unrolling(**request.fields, **tensors, **own, first=rows.start, rows=len(rows))
            self._nets.append(net)
            if answer is not None:
                own = {name: buffer[at] for name, buffer in answer_sums.items()}
                self._answers.append(_Answer(**answer, **own))
            calls[n] = _Call(
                kernel=cast(kernel, c_void_p),
                cell=request.kernel.cell,
                operation=operation,
                first=members.start,
                last=members.stop,
                net=addressof(net),
                answer=None if answer is None else addressof(self._answers[n]),
            )
        threads = min(torch.get_num_threads(), len(calls))
        parallel: Any = openmp_parallel() if threads > 1 else None
        numbers = c_int64(len(calls)), c_int64(threads)
        self._run = cpp_function("rnnlab_calls", request.kernel.cells)
        self._arguments = calls, *numbers, None if parallel is None else cast(parallel, c_void_p)

    def read(self, tensors: Mapping[str, Tensor | None], answer: Mapping[str, Tensor]) -> None:
        """Read other tensors of the same shapes from now on."""
        self._read = tensors, answer
        for structs, parts in ((self._nets, tensors), (self._answers, answer)):
            for name, part in parts.items():
                address = None if part is None else part.data_ptr()
                for struct in structs:
                    setattr(struct, name, address)

    def __call__(self) -> None:
        """Run the kernel.

        Raises:
            MemoryError: there is too little.
        """
        if not self._run(*self._arguments):
            raise MemoryError(
                "nets too large, or sequences too long, for the memory of this machine"
            )


@lru_cache(maxsize=64)
def _index(steps: Sequence[int]) -> Tensor:
    return torch.tensor(steps)
