"""Recurrent cells over time for N members at once, with gradients written by hand.

    a_t = W (x_t, 1) + U h_{t-1};  h_t, c_t = kind(a_t, h_{t-1}, c_{t-1})

A step of all members is a few batched products and operations on whole tensors, none of which
autograd or `vmap` looks at. What limits it is memory, not arithmetic: all but the states of each
step stays in small buffers that are used again at the next one, is made anew on the way back, and
a weight's gradient is added up step by step.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

_aten: Any = torch.ops.aten
Parts = Sequence[Tensor]


class Kind(ABC):
    """What a cell does with the sums that reach it; every tensor is `(N, B, H)`.

    Attributes:
        name: what the kernels call it.
        recurs: which of the sums read the hidden state.
        keeps: how many tensors of a step `back` needs beside the states.
    """

    name: str
    recurs: ClassVar[tuple[int, ...]]
    keeps: ClassVar[int]

    @abstractmethod
    def step(self, sums: Parts, before: Parts, after: Parts, kept: Parts) -> None:
        """Take one step.

        Args:
            sums: may be overwritten.
            before: hidden state and memory cell; kinds without one have it empty.
            after: where to write the new ones.
            kept: where to write what `back` needs.
        """

    @abstractmethod
    def back(
        self, grads: Parts, before: Parts, after: Parts, kept: Parts, out: Parts
    ) -> tuple[Tensor | None, Tensor]:
        """Go one step back.

        Args:
            grads: of the new hidden state and memory cell.
            before: as for `step`.
            after: as `step` wrote them.
            kept: as `step` wrote them.
            out: where to write the gradient of each sum.

        Returns:
            The gradients of `before` but through the sums; `None` is none.
        """


class Plain(Kind):
    """h = f(a): Elman's.

    Args:
        activation: f.
    """

    recurs = (0,)
    keeps = 0

    def __init__(self, activation: str) -> None:
        self.name = self.activation = activation

    def step(self, sums: Parts, before: Parts, after: Parts, kept: Parts) -> None:  # noqa: ARG002
        """Squash."""
        ACTIVATIONS[self.activation](sums[0], out=after[0])

    def back(
        self,
        grads: Parts,
        before: Parts,  # noqa: ARG002
        after: Parts,
        kept: Parts,  # noqa: ARG002
        out: Parts,
    ) -> tuple[Tensor | None, Tensor]:
        """Multiply by f', a function of h."""
        slope(self.activation, grads[0], after[0], out[0])
        return None, grads[1]


class Gated(Kind):
    """r, z = sigmoid(a_r, a_z); n = tanh(x_n + r u_n); h = (1 - z) n + z h: the GRU's.

    The sums are a_r, a_z, u_n and x_n.
    """

    name = "gated"
    recurs = (0, 1, 2)
    keeps = 4

    def step(self, sums: Parts, before: Parts, after: Parts, kept: Parts) -> None:
        """Keep r, z, n and u_n."""
        reset, update, candidate, inner = kept
        torch.sigmoid(sums[0], out=reset)
        torch.sigmoid(sums[1], out=update)
        inner.copy_(sums[2])
        torch.tanh(sums[3].addcmul_(reset, inner), out=candidate)
        torch.lerp(candidate, before[0], update, out=after[0])

    def back(
        self,
        grads: Parts,
        before: Parts,
        after: Parts,  # noqa: ARG002
        kept: Parts,
        out: Parts,
    ) -> tuple[Tensor | None, Tensor]:
        """Pass the gradient to the gates, the candidate, and h."""
        reset, update, candidate, inner = kept
        through = grads[0] * update
        slope("sigmoid", (before[0] - candidate).mul_(grads[0]), update, out[1])
        slope("tanh", grads[0] - through, candidate, out[3])
        slope("sigmoid", out[3] * inner, reset, out[0])
        torch.mul(out[3], reset, out=out[2])
        return through, grads[1]


class LongShort(Kind):
    """i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of a; c = f c + i g; h = o tanh(c): an LSTM."""

    name = "long_short"
    recurs = (0, 1, 2, 3)
    keeps = 5

    def step(self, sums: Parts, before: Parts, after: Parts, kept: Parts) -> None:
        """Keep i, f, g, o and tanh(c)."""
        write, keep, candidate, read, squashed = kept
        torch.sigmoid(sums[0], out=write)
        torch.sigmoid(sums[1], out=keep)
        torch.tanh(sums[2], out=candidate)
        torch.sigmoid(sums[3], out=read)
        torch.mul(keep, before[1], out=after[1])
        after[1].addcmul_(write, candidate)
        torch.tanh(after[1], out=squashed)
        torch.mul(read, squashed, out=after[0])

    def back(
        self,
        grads: Parts,
        before: Parts,
        after: Parts,  # noqa: ARG002
        kept: Parts,
        out: Parts,
    ) -> tuple[Tensor | None, Tensor]:
        """Pass the gradient to the gates and the memory cell."""
        write, keep, candidate, read, squashed = kept
        slope("sigmoid", grads[0] * squashed, read, out[3])
        memory = _aten.tanh_backward(grads[0] * read, squashed).add_(grads[1])
        slope("sigmoid", memory * candidate, write, out[0])
        slope("sigmoid", memory * before[1], keep, out[1])
        slope("tanh", memory * write, candidate, out[2])
        return None, memory.mul_(keep)


class Scan(torch.autograd.Function):
    """A cell over all steps, for N members; to be called under `vmap` alone.

    Called with one member's view: a `Kind`, the steps whose states are wanted (`None` for all),
    W `(G, I, H)` of all sums, U `(R, H, H)` of those that read the hidden state, the first hidden
    state `(B, H)` and memory cell `(B, H)` or `(B, 0)`, and the inputs `(T, B, I)`, the 1 of the
    bias among them. Gives the wanted states `(S, B, H)`, the last memory cell, and what `backward`
    needs.
    """

    @staticmethod
    def forward(
        kind: Kind,
        steps: Sequence[int] | None,
        read: Tensor,
        recur: Tensor,
        hidden: Tensor,
        cell: Tensor,
        inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run forward; here every tensor has N first."""
        length = inputs.shape[1]
        states = hidden.new_empty(len(hidden), length + 1, *hidden.shape[1:])
        cells = cell.new_empty(len(cell), length + 1, *cell.shape[1:])
        states[:, 0], cells[:, 0] = hidden, cell
        visited = list(zip(states.unbind(1), cells.unbind(1), strict=True))
        sums = _Sums(kind, read, recur, hidden)
        kept = [torch.empty_like(sums.parts[0]) for _ in range(kind.keeps)]
        for t, x in enumerate(inputs.unbind(1)):
            kind.step(sums.of(x, visited[t][0]), visited[t], visited[t + 1], kept)
        wanted = states[:, 1:].contiguous() if steps is None else states[:, [t + 1 for t in steps]]
        return wanted, cells[:, -1].clone(), states, cells

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what `backward` needs."""
        ctx.kind, ctx.steps, *weights = inputs[:4]
        ctx.mark_non_differentiable(*output[2:])
        ctx.set_materialize_grads(False)  # zeros as large as all that was kept
        ctx.save_for_backward(*weights, inputs[6], *output[2:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run back through time."""
        read, recur, inputs, states, cells = ctx.saved_tensors
        kind: Kind = ctx.kind
        length = inputs.shape[1]
        wanted = range(length) if ctx.steps is None else ctx.steps
        reach = {} if grads[0] is None else dict(zip(wanted, grads[0].unbind(1), strict=True))
        visited = list(zip(states.unbind(1), cells.unbind(1), strict=True))
        sums = _Sums(kind, read, recur, states[:, 0])
        scratch = [torch.empty_like(part) for part in visited[0]]
        kept = [torch.empty_like(sums.parts[0]) for _ in range(kind.keeps)]
        of_inputs = torch.empty_like(inputs) if ctx.needs_input_grad[6] else None
        hidden = torch.zeros_like(scratch[0])
        cell = torch.zeros_like(scratch[1]) if grads[1] is None else grads[1]
        steps = inputs.unbind(1)
        for t in reversed(range(length)):
            if t in reach:
                hidden += reach[t]
            x, (before, after) = steps[t], visited[t : t + 2]
            if kind.keeps:
                kind.step(sums.of(x, before[0]), before, scratch, kept)
            through, cell = kind.back((hidden, cell), before, after, kept, sums.parts)
            sums.back(x, before[0], hidden, None if of_inputs is None else of_inputs[:, t])
            if through is not None:
                hidden += through
        return None, None, *sums.grads, hidden, cell, of_inputs

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *args: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Put N first in all that come in, and do the work for all members at once."""
        found = Scan.apply(*args[:2], *in_front(info.batch_size, in_dims[2:], args[2:]))
        return found, (0,) * len(found)


class _Sums:
    """The sums of one step, in buffers that all steps share, and the gradients of the weights.

    Attributes:
        parts: of each sum, `(N, B, H)`; after `Kind.back` its gradient.
    """

    def __init__(self, kind: Kind, read: Tensor, recur: Tensor, state: Tensor) -> None:
        self._recurs = kind.recurs
        self.parts = [state.new_empty(state.shape) for _ in range(read.shape[1])]
        self._read = [part.contiguous() for part in read.unbind(1)]
        self._recur = [part.contiguous() for part in recur.unbind(1)]
        self._of_read = [torch.zeros_like(part) for part in self._read]
        self._of_recur = [torch.zeros_like(part) for part in self._recur]
        self._read_back = [part.transpose(1, 2).contiguous() for part in self._read]
        self._recur_back = [part.transpose(1, 2).contiguous() for part in self._recur]

    @property
    def grads(self) -> tuple[Tensor, Tensor]:
        """Give the gradients of W and U so far."""
        return torch.stack(self._of_read, dim=1), torch.stack(self._of_recur, dim=1)

    def of(self, x: Tensor, hidden: Tensor) -> list[Tensor]:
        """Add up what one step's sums are made of."""
        for part, weight in zip(self.parts, self._read, strict=True):
            torch.bmm(x, weight, out=part)
        for n, weight in zip(self._recurs, self._recur, strict=True):
            self.parts[n].baddbmm_(hidden, weight)
        return self.parts

    def back(self, x: Tensor, before: Tensor, hidden: Tensor, of_x: Tensor | None) -> None:
        """Send the gradients in `parts` on to the weights, the hidden state and the inputs.

        Args:
            x: the inputs of the step.
            before: the hidden state before it.
            hidden: where to write the gradient of that.
            of_x: where to write the gradient of the inputs, or `None`.
        """
        along, across = x.transpose(1, 2), before.transpose(1, 2)
        for grad, part in zip(self._of_read, self.parts, strict=True):
            grad.baddbmm_(along, part)
        for n, grad, weight in zip(self._recurs, self._of_recur, self._recur_back, strict=True):
            grad.baddbmm_(across, self.parts[n])
            hidden.baddbmm_(self.parts[n], weight, beta=0 if n == self._recurs[0] else 1)
        if of_x is not None:
            of_x.zero_()
            for part, weight in zip(self.parts, self._read_back, strict=True):
                of_x += torch.bmm(part, weight)


def in_front(
    members: int, in_dims: Sequence[int | None], parts: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Give every tensor that `vmap` hands on N as its first axis."""
    return [
        part
        if part is None
        else part.expand(members, *part.shape)
        if dim is None
        else part.movedim(dim, 0)
        for part, dim in zip(parts, in_dims, strict=True)
    ]


def _relu(sums: Tensor, *, out: Tensor) -> Tensor:
    return torch.clamp_min(sums, 0.0, out=out)


ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": _relu,
}


def slope(activation: str, grad: Tensor, value: Tensor, out: Tensor) -> None:
    """Write `grad` times the derivative at which the activation gave `value`."""
    if activation == "relu":
        torch.mul(grad, value > 0, out=out)
    else:
        backward = _aten.tanh_backward if activation == "tanh" else _aten.sigmoid_backward
        backward.grad_input(grad, value, grad_input=out)
