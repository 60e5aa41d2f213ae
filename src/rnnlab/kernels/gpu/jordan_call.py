"""A call of the kernels of jordan.py."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rnnlab.kernels.arguments import Options, Readout, Tensors
from rnnlab.kernels.gpu.call import Asked, Call, contiguous, padded
from rnnlab.kernels.gpu.jordan import backward, forward
from rnnlab.kernels.gpu.products import products


class JordanCall(Call):
    """A call of these kernels."""

    def __init__(self, options: Options, cell: Tensors, tape: Tensor | None) -> None:
        members, batch, fed = cell.hidden.shape
        length, size = cell.inputs.shape[2], cell.bias.shape[1]
        rows = length * batch
        super().__init__(options, cell, size, [rows * fed, rows * size, rows * fed], tape)
        contexts, activations, spoken = self.parts
        self.contexts = contexts.view(members, rows, fed)
        self.activations = activations.view(members, rows, size)
        self.spoken = spoken.view(members, length, batch, fed)
        self.targets: Tensor | None = None
        if self.kernel.taught:
            assert self.numbers is not None
            self.targets = self.numbers[..., self.input_size :].contiguous()
        self.options |= {
            "F": self.kernel.cell,
            "SQUASHED": self.kernel.squashed,
            "TAUGHT": self.kernel.taught,
            "OP": padded(fed),
        }

    def forward(self) -> None:
        """Write the tape."""
        cell = self.cell
        self._last, self._last_context = (torch.empty_like(cell.hidden) for _ in range(2))
        forward[self.grid](
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
            self.input_size,
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

    def backward(self, of_outputs: Tensor | None, of_last: Sequence[Tensor | None]) -> None:
        """Compute the gradients of sums and outputs."""
        self._backward(of_outputs, of_last)

    def learn(self, readout: Readout, asked: Asked) -> Tensor:  # noqa: ARG002
        """Compute losses, and the gradients of sums and outputs; the readout is the cell's own."""
        return self._backward(None, (None, None), asked)

    def _backward(
        self,
        of_outputs: Tensor | None,
        of_last: Sequence[Tensor | None],
        asked: Asked | None = None,
    ) -> Tensor:
        like, cell = self.spoken, self.cell
        rows = self.members, self.length * self.batch
        losses = like.new_empty(self.grid)
        self.of_answers = like.new_empty(*rows, self.fed)
        self.of_sums = like.new_empty(*rows, self.size)
        self.of_targets = like.new_empty(*rows, self.fed) if self.kernel.taught else None
        self.of_first, self.of_first_context = (torch.empty_like(cell.hidden) for _ in range(2))
        backward[self.grid](
            self.targets,
            cell.state_weight,
            cell.readout_weight,
            self.lengths,
            self.activations,
            self.spoken,
            self.slots(),
            of_outputs,
            *contiguous(of_last),
            *((None, None) if asked is None else asked),
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
            self.wanted_steps(),
            **self.options,
        )
        return losses.sum(1)

    def gradients(self, needed: Sequence[bool]) -> list[Tensor | None]:
        """Return the gradients of `Tensors` but the mask."""
        of_state, of_table, of_bias = products(
            self.of_sums, self.contexts, self.ids, self.input_size
        )
        if of_table is None:
            of_table, _, _ = products(self.of_sums, self.rows())
        of_readout, _, of_readout_bias = products(self.of_answers, self.activations)
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


def taught_inputs(cell: Tensors, right: Tensor) -> Tensor:
    """Append to the inputs the targets of the steps before, and where there are any.

    Args:
        cell: its inputs are `(N, B, T, I)` or ids.
        right: `(N, T, B)`, the classes or -1.
    """
    inputs = cell.inputs
    if not inputs.is_floating_point():
        inputs = functional.one_hot(inputs, cell.input_weight.shape[2]).float()
    before = functional.pad(right, (0, 0, 1, 0), value=-1)[:, :-1].transpose(1, 2)  # (N, B, T)
    target = functional.one_hot(before.clamp(min=0).long(), cell.hidden.shape[2])
    forced = (before >= 0)[..., None].expand_as(target)
    return torch.cat([inputs, target, forced], dim=3)
