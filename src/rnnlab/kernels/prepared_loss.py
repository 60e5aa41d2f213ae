"""The loss of a cell's readout, and its gradients, by a call that can be made again."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnnlab.kernels.arguments import Options, Readout, Tensors, contiguous
from rnnlab.kernels.checks import check_range, check_readout
from rnnlab.kernels.request import Launch, Operation, Request

_WEIGHTS, _OTHERS = Tensors._fields[:5], Tensors._fields[5:8]


class PreparedLoss:
    """A call of `learn` that is checked and laid out once, and computed as often as one likes.

    Args:
        options: the call but for its tensors.
        cell: contiguous tensors.
        readout: likewise.
        needed: as for `learn`.

    Attributes:
        launch: computes from the tensors that it reads now, and adds to gradients of weights.
    """

    def __init__(
        self, options: Options, cell: Tensors, readout: Readout, needed: Sequence[bool]
    ) -> None:
        self._call = call = Request(options, cell, judged=True)
        *asked, width = call.outputs
        classes = width if options.kernel.name == "jordan" else readout.weight.shape[1]
        check_readout(readout, asked, call.fields["size"], classes)
        self._last = [torch.empty_like(part) for part in (cell.hidden, cell.memory)]
        self._others, self._sums = gradients(call, cell, needed)
        self._answers = {
            "loss": call.sums(cell.bias[:, 0]),
            "of_weight": call.sums(readout.weight),
            "of_bias": call.sums(readout.bias),
        }
        self.launch = Launch(
            call,
            Operation.LEARN,
            self._others | dict(zip(("last_hidden", "last_memory"), self._last, strict=True)),
            self._sums,
            readout._asdict() | {"classes": classes},
            self._answers,
        )
        self._of_one: list[Tensor] | None = None  # which are views of the same memory

    def again(self, cell: Tensors, readout: Readout) -> list[Tensor]:
        """Compute from other tensors of the same shapes, of one net; return its results.

        They are those of `learn` without N, in memory that the next launch overwrites.

        Raises:
            IndexError: an input or a target is not a symbol.
        """
        cell, readout = contiguous(cell), contiguous(readout)
        if not cell.inputs.is_floating_point():
            check_range("one-hot inputs", cell.inputs, None, self._call.fields["inputs"])
        check_range("targets", readout.target, readout.mask, len(readout.bias))
        self.launch.read(self._call.read(cell), readout._asdict())
        torch._foreach_zero_([*self._sums.values(), *self._answers.values()])
        self.launch()
        if self._of_one is None or len(self._call.shares) > 1:
            self._of_one = [part[0] for part in self.results()]
        return self._of_one

    def results(self) -> list[Tensor]:
        """Return what `learn` does, in memory that the next launch overwrites."""
        loss, *of_readout = (_total(sum) for sum in self._answers.values())
        empty = loss.new_empty(len(loss), 0)
        of_cell = (empty if p is None else p for p in found(self._sums, self._others))
        return [loss, *self._last, *of_cell, *of_readout]


def gradients(
    call: Request, cell: Tensors, needed: Sequence[bool]
) -> tuple[dict[str, Tensor | None], dict[str, Tensor]]:
    """Allocate the gradients of a cell's tensors: those of some, and sums of those of weights."""
    weights = {name: getattr(cell, name) for name in _WEIGHTS}
    sums = {f"of_{name}": call.sums(part) for name, part in weights.items() if part is not None}
    others = {
        f"of_{name}": torch.empty_like(getattr(cell, name)) if wanted else None
        for name, wanted in zip(_OTHERS, needed, strict=True)
    }
    return others, sums


def found(sums: Mapping[str, Tensor], others: Mapping[str, Tensor | None]) -> list[Tensor | None]:
    """Return gradients in the order of `Tensors`."""
    total = {name: _total(sum) for name, sum in sums.items()}
    return [*(total.get(f"of_{name}") for name in _WEIGHTS), *others.values()]


def _total(sum: Tensor) -> Tensor:
    return sum[0] if sum.shape[0] == 1 else sum.sum(0)
