"""Leaky units against Elman's, and against the solution of their equation."""

import math

import pytest
import torch

from rnnlab.cells import Elman
from rnnlab.errors import ConfigError
from tests.cells.zoo import BATCH, ctrnn, draw, draw_state, elman, same, scatter


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_a_step_as_long_as_the_time_constant_is_elmans(activation: str) -> None:
    cell = scatter(ctrnn(3, tau=2.0, dt=2.0, activation=activation).double())
    twin = elman(3, activation=activation).double()
    twin.load_state_dict(cell.state_dict())
    inputs, state = draw(cell), draw_state(cell)
    same(cell.unroll(inputs, state), twin.unroll(inputs, state))
    assert isinstance(cell, Elman)


def test_without_input_and_weights_units_decay_by_the_time_constant() -> None:
    cell = ctrnn(1, tau=10.0, dt=0.001).double()
    for parameter in cell.parameters():
        torch.nn.init.zeros_(parameter)
    state = torch.ones(1, cell.output_size, dtype=torch.float64)
    _, state = cell.unroll(torch.zeros(1, 5000, 1, dtype=torch.float64), state)
    same(state, torch.full_like(state, math.exp(-0.5)), rtol=1e-4, atol=0)


def test_the_rate_of_a_step_is_dt_over_tau() -> None:
    slow, fast = ctrnn(3, tau=8.0, dt=1.0).double(), ctrnn(3, tau=2.0, dt=1.0).double()
    fast.load_state_dict(slow.state_dict())
    inputs, start = draw(slow)[:, 0], slow.initial_state(BATCH)
    same(4 * slow(inputs, start)[0], fast(inputs, start)[0])


def test_a_step_longer_than_the_time_constant_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dt must be at most tau=2.0, got 3.0"):
        ctrnn(3, tau=2.0, dt=3.0)


def test_each_unit_can_have_a_time_constant_of_its_own() -> None:
    """Without recurrence a unit is what it is in a network of its own kind."""
    taus = [1.0, 2.0, 8.0, 16.0, 1.0, 5.0][: ctrnn.keywords["hidden_size"]]
    cell = scatter(ctrnn(3, tau=taus, dt=1.0).double())
    inputs, state = draw(cell), cell.initial_state(BATCH)
    with torch.no_grad():
        cell.recurrent_weight.zero_()
    found, _ = cell.unroll(inputs, state)
    for unit, tau in enumerate(taus):
        alike = ctrnn(3, tau=tau, dt=1.0).double()
        alike.load_state_dict(cell.state_dict())
        same(found[..., unit], alike.unroll(inputs, state)[0][..., unit])
    with pytest.raises(ConfigError, match=f"tau must have hidden_size={len(taus)} numbers, got 2"):
        ctrnn(3, tau=[1.0, 2.0])
    with pytest.raises(ConfigError, match=r"dt must be at most tau=1.0, got 2.0"):
        ctrnn(3, tau=taus, dt=2.0)
