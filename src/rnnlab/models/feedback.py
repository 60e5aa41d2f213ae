"""Feedback: the answer of a step becomes part of the next input."""

import torch
from torch import Tensor

from rnnlab.spec import TaskSpec, Tokens


def greedy(spec: TaskSpec, output: Tensor) -> Tensor:
    """Return the most probable token `(...)` of logits `(..., V)`; reals `(..., O)` unchanged."""
    return output.argmax(dim=-1) if isinstance(spec.target, Tokens) else output


def feed(spec: TaskSpec, input: Tensor, answer: Tensor) -> Tensor:
    """Replace the part of the next input that `TaskSpec.feedback` defines by the last answer."""
    if isinstance(spec.input, Tokens):
        return answer
    return torch.cat([answer, input[..., answer.shape[-1] :]], dim=-1)
