"""The minimal GRU's scan against its loop, and a cell computed by hand."""

import pytest
import torch

from rnnlab.cells.min_gru import loop, scan
from tests.cells.zoo import draw, draw_state, min_gru, same, scatter


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13, 100])
def test_the_scan_is_the_loop_with_its_gradients(length: int) -> None:
    keep = torch.rand(2, length, 3, dtype=torch.float64)
    keep[:, ::3] = 1e-30  # the running product underflows where it would be divided by
    written = torch.randn(2, length, 3, dtype=torch.float64)
    state = torch.randn(2, 3, dtype=torch.float64)
    given = [tensor.requires_grad_() for tensor in (keep, written, state)]
    results = []
    for compute in (scan, loop):
        states = compute(*given)
        results.append((states, *torch.autograd.grad(states.cos().sum(), given)))
    same(*results)


def test_a_scan_of_any_length_agrees_with_finite_differences() -> None:
    given = [torch.rand(*shape, dtype=torch.float64) for shape in ((1, 5, 2), (1, 5, 2), (1, 2))]
    assert torch.autograd.gradcheck(scan, [tensor.requires_grad_() for tensor in given])


def test_a_step_is_the_equation() -> None:
    cell = scatter(min_gru(3).double())
    inputs, state = draw(cell)[:, 0], draw_state(cell)
    gate, candidate = (inputs @ cell.input_weight.T + cell.bias).chunk(2, dim=1)
    update = gate.sigmoid()
    found, _ = cell(inputs, state)
    same(found, (1 - update) * candidate + update * state)
    same(cell.gates(inputs, state)["update"], update)


def test_a_large_update_bias_holds_the_state() -> None:
    cell = min_gru(3, update_bias=30.0).double()
    state = draw_state(cell)
    _, after = cell.unroll(draw(cell, 50), state)
    same(after, state, rtol=0, atol=1e-9)
