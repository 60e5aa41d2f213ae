"""How an answer becomes part of the next input."""

import torch
from torch import Tensor

from rnnlab.spec import TaskSpec, Tokens


def greedy(spec: TaskSpec, output: Tensor) -> Tensor:
    """Choose the likeliest token `(...)` of logits `(..., V)`; reals `(..., O)` stay themselves."""
    return output.argmax(dim=-1) if isinstance(spec.target, Tokens) else output


def feed(spec: TaskSpec, input: Tensor, answer: Tensor) -> Tensor:
    """Put the last answer in its place in the next input, as `TaskSpec.feedback` says."""
    if isinstance(spec.input, Tokens):
        return answer
    return torch.cat([answer, input[..., answer.shape[-1] :]], dim=-1)


def keep(condition: Tensor, input: Tensor, other: Tensor) -> Tensor:
    """Row by row, `input` where `condition` `(B,)` is True, else `other`."""
    return torch.where(condition if input.dim() == 1 else condition[:, None], input, other)
