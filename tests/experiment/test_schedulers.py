"""Learning rates in closed form."""

import math

import pytest
import torch
from torch import nn

from rnnlab.experiment.schedulers import constant, cosine, plateau, warmup

LR = 0.5


def rates(make, steps: int, **settings) -> list[float]:
    """The rate of each update of a run."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = make(optimizer, steps, "min", **settings)
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_constant_stays():
    assert rates(constant, 5) == [LR] * 6


def test_warmup_rises_in_equal_steps_from_above_zero():
    assert rates(warmup, 5, warmup_steps=3) == pytest.approx(
        [LR * share for share in (0.25, 0.5, 0.75, 1, 1, 1)]
    )


def test_no_warmup_is_constant():
    assert rates(warmup, 3, warmup_steps=0) == [LR] * 4


@pytest.mark.parametrize("final", [0.0, 0.2, 1.0])
def test_cosine_falls_along_half_a_period_to_its_last_share(final):
    expected = [
        LR * (final + (1 - final) * (1 + math.cos(math.pi * step / 8)) / 2) for step in range(9)
    ]
    found = rates(cosine, 8, warmup_steps=0, final_factor=final)
    assert found == pytest.approx(expected)
    assert found[-1] == pytest.approx(LR * final)


def test_cosine_rises_first_and_is_highest_after_the_warmup():
    found = rates(cosine, 10, warmup_steps=4, final_factor=0.0)
    assert found[:5] == pytest.approx([LR * share for share in (0.2, 0.4, 0.6, 0.8, 1.0)])
    assert found[7] == pytest.approx(LR / 2)
    assert found[10] == pytest.approx(0, abs=1e-12)


def test_cosine_stays_at_its_last_share_when_a_run_goes_on():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = cosine(optimizer, 3, "min", warmup_steps=0, final_factor=0.1)
    for _ in range(8):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(LR * 0.1)


@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_plateau_waits_out_its_patience_in_the_direction_that_is_better(mode, sign):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = plateau(optimizer, 10, mode, factor=0.1, patience=1)
    found = []
    for value in (3.0, 2.0, 2.5, 2.5, 1.0):
        scheduler.step(sign * value)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == pytest.approx([LR, LR, LR, LR * 0.1, LR * 0.1])
