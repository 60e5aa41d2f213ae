"""Clipping of a gradient by its norm."""

import math

import pytest
import torch
from torch import nn

from rnnlab.training.gradients import clip


def parameters(scale: float) -> list[nn.Parameter]:
    torch.manual_seed(0)
    made = [nn.Parameter(torch.zeros(size)) for size in ((3, 2), (5,), (1,))]
    for parameter in made[:2]:  # the last has no gradient
        parameter.grad = scale * torch.randn_like(parameter)
    return made


@pytest.mark.parametrize("scale", [1e-3, 0.3, 1.0, 1e4, math.inf, math.nan])
@pytest.mark.parametrize("limit", [1.0, 0.1, None])
def test_it_is_torchs_clipping_bit_for_bit(scale, limit):
    ours, theirs = parameters(scale), parameters(scale)
    norm = clip(ours, limit)
    expected = nn.utils.clip_grad_norm_(theirs, math.inf if limit is None else limit)
    torch.testing.assert_close(norm, expected, rtol=0, atol=0, equal_nan=True)
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        if limit is not None or math.isfinite(scale):
            torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=0, equal_nan=True)


def test_without_gradients_the_norm_is_0():
    assert float(clip([nn.Parameter(torch.zeros(2))], 1.0)) == 0.0
