"""Stacked optimizers update each member as torch's optimizers do."""

from typing import Any

import pytest
import torch
from torch import nn, optim

from rnnlab.ensemble.optimizers import STACKED_OPTIMIZERS

SETTINGS: list[tuple[type[optim.Optimizer], list[dict[str, Any]]]] = [
    (optim.Adam, [{"lr": 0.1}, {"lr": 0.01, "betas": (0.5, 0.9), "weight_decay": 0.1}]),
    (optim.Adam, [{"lr": 0.1, "eps": 0.1}, {"lr": 0.1, "eps": 1e-8}]),
    (optim.AdamW, [{"lr": 0.1, "weight_decay": 0.5}, {"lr": 0.01, "weight_decay": 0.0}]),
    (optim.SGD, [{"lr": 0.1}, {"lr": 0.2}]),
    (optim.SGD, [{"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, {"lr": 0.2}]),
    (optim.SGD, [{"lr": 0.1, "momentum": m, "nesterov": True} for m in (0.5, 0.9)]),
    (optim.RMSprop, [{"lr": 0.1}, {"lr": 0.01, "alpha": 0.5, "weight_decay": 0.1}]),
    (optim.RMSprop, [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.1, "eps": 0.1}]),
]


@pytest.mark.parametrize(("kind", "settings"), SETTINGS)
def test_each_member_moves_as_under_its_own_optimizer(
    kind: type[optim.Optimizer], settings: list[dict[str, Any]]
) -> None:
    torch.manual_seed(0)
    flat = torch.randn(2, 7, dtype=torch.float64)
    own = [nn.Parameter(row.clone()) for row in flat]
    theirs = [kind([p], **each) for p, each in zip(own, settings, strict=True)]
    stacked = STACKED_OPTIMIZERS[kind]([one.state_dict()["param_groups"][0] for one in theirs])
    for step in range(6):
        grad = torch.randn_like(flat)
        rates = [each["lr"] / (step + 1) for each in settings]  # as under a schedule
        stacked.update(flat, grad, rates)
        for p, one, row, rate in zip(own, theirs, grad, rates, strict=True):
            p.grad = row.clone()
            one.param_groups[0]["lr"] = rate
            one.step()
        torch.testing.assert_close(
            flat, torch.stack([p.detach() for p in own]), rtol=1e-6, atol=1e-7
        )
    for n, one in enumerate(theirs):
        state = {k: v for k, v in one.state[own[n]].items() if k != "step" and v is not None}
        assert stacked.member_state(n).keys() == state.keys()
        for name, value in state.items():
            torch.testing.assert_close(stacked.member_state(n)[name], value)


def test_some_members_go_on_without_the_others() -> None:
    settings = [{"lr": 0.1, "momentum": m, "weight_decay": 0, "nesterov": False} for m in (0, 0.9)]
    both, second = (
        STACKED_OPTIMIZERS[optim.SGD](settings),
        STACKED_OPTIMIZERS[optim.SGD](settings[1:]),
    )
    whole, half = torch.zeros(2, 3), torch.zeros(1, 3)
    both.update(whole, torch.ones(2, 3), [0.1, 0.1])
    second.update(half, torch.ones(1, 3), [0.1])
    both.keep([1])
    whole = whole[1:]
    both.update(whole, torch.ones(1, 3), [0.1])
    second.update(half, torch.ones(1, 3), [0.1])
    assert torch.equal(whole, half)
