"""Jordan networks over time for N members at once, with gradients written by hand.

    p_t = g(y_{t-1}), or what was right;  c_t = decay c_{t-1} + p_t
    h_t = f(W (x_t, 1) + U c_t);  y_t = V h_t + d

with g the softmax for tokens. As in `scans`, what limits it is memory.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlab.ensemble.scans import ACTIVATIONS, Parts, in_front, slope


class Settings(NamedTuple):
    """What the members have in common.

    Attributes:
        activation: f.
        decay: of the context.
        squash: whether g is the softmax, else nothing.
    """

    activation: str
    decay: float
    squash: bool


class JordanScan(torch.autograd.Function):
    """A Jordan network with one hidden layer over all steps; to be called under `vmap` alone.

    Called with one member's view: the settings, W `(I, H)`, U `(O, H)`, V `(H, O)`, d `(O)`, the
    first context and output `(B, O)` each, the inputs `(T, B, I)` with the 1 of the bias among
    them, and under teacher forcing what is right `(T, B, O)` and where it is taught (1 or 0), else
    two times `None`. Gives the answers `(T, B, O)`, the last context, what is fed back of the last
    answer, and what `backward` needs.
    """

    @staticmethod
    def forward(settings: Settings, *given: Any) -> tuple[Tensor, ...]:
        """Run forward; here every tensor has N first."""
        read, recur, speak, bias, context, fed, inputs, right, taught = given
        activate = ACTIVATIONS[settings.activation]
        members, length, rows = inputs.shape[:3]
        hidden = inputs.new_empty(members, length, rows, speak.shape[1])
        answers, contexts, feds = (
            inputs.new_empty(members, length, rows, speak.shape[2]) for _ in range(3)
        )
        read, recur, speak, bias = (*_packed(read, recur, speak), bias[:, None])
        for t, (x, h, y, c, p) in enumerate(_steps(inputs, hidden, answers, contexts, feds)):
            if taught is not None:
                fed = torch.where(taught[:, t] > 0, right[:, t], fed)
            context = torch.add(fed, context, alpha=settings.decay, out=c)
            torch.bmm(x, read, out=h)
            activate(h.baddbmm_(context, recur), out=h)
            torch.bmm(h, speak, out=y)
            y += bias
            fed = _softmax(y, p) if settings.squash else p.copy_(y)
        return answers, context.clone(), fed.clone(), hidden, contexts, feds

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what `backward` needs."""
        ctx.settings, *weights = inputs[:4]
        ctx.mark_non_differentiable(*output[3:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*weights, inputs[7], inputs[9], *output[3:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Run back through time."""
        read, recur, speak, inputs, taught, hidden, contexts, feds = ctx.saved_tensors
        settings: Settings = ctx.settings
        read_back, recur_back, speak_back = _packed(*(w.mT for w in (read, recur, speak)))
        of_read, of_recur, of_speak = (torch.zeros_like(w) for w in _packed(read, recur, speak))
        of_bias = torch.zeros_like(of_speak[:, 0])
        of_inputs = torch.empty_like(inputs) if ctx.needs_input_grad[7] else None
        nothing = torch.zeros_like(feds[:, 0])
        context, fed = (nothing if grad is None else grad for grad in grads[1:3])
        of_sum = torch.empty_like(hidden[:, 0])
        steps = _steps(inputs, hidden, contexts, feds)
        for t, (x, h, c, p) in reversed(list(enumerate(steps))):
            of_answer = p * (fed - (fed * p).sum(2, keepdim=True)) if settings.squash else fed
            if grads[0] is not None:
                of_answer = of_answer + grads[0][:, t]
            of_speak.baddbmm_(h.mT, of_answer)
            of_bias += of_answer.sum(1)
            slope(settings.activation, torch.bmm(of_answer, speak_back), h, of_sum)
            of_read.baddbmm_(x.mT, of_sum)
            of_recur.baddbmm_(c.mT, of_sum)
            if of_inputs is not None:
                of_inputs[:, t] = torch.bmm(of_sum, read_back)
            context = torch.baddbmm(context, of_sum, recur_back)
            fed = context if taught is None else context * (taught[:, t] <= 0)
            context = settings.decay * context
        return None, of_read, of_recur, of_speak, of_bias, context, fed, of_inputs, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *args: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Put N first in all that come in, and do the work for all members at once."""
        found = JordanScan.apply(args[0], *in_front(info.batch_size, in_dims[1:], args[1:]))
        return found, (0,) * len(found)


def _softmax(answers: Tensor, out: Tensor) -> Tensor:
    """As torch's own, which takes eight times as long over so few numbers a row."""
    torch.sub(answers, answers.amax(2, keepdim=True), out=out).exp_()
    return out.div_(out.sum(2, keepdim=True))


def _packed(*weights: Tensor) -> list[Tensor]:
    return [weight.contiguous() for weight in weights]


def _steps(*parts: Tensor) -> list[Parts]:
    """Cut `(N, T, ...)` into steps."""
    return list(zip(*(part.unbind(1) for part in parts), strict=True))
