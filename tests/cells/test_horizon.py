"""A limited horizon: the values of the full unroll, the gradient of the last k steps."""

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnlab.cells import Cell, Stack, readable, unroll_within
from rnnlab.state import State, detach, flatten, leaves, map_state
from tests.cells.zoo import (
    BATCH,
    CELLS,
    INPUT,
    STEPS,
    draw,
    draw_state,
    elman,
    make,
    prefix_mask,
    same,
    scatter,
)
from tests.dear import dear_but

every_cell = pytest.mark.parametrize("name", CELLS)
HORIZONS = [1, 2, 3, STEPS - 1, STEPS, STEPS + 1, None]


def by_definition(
    cell: Cell, inputs: Tensor, start: State, horizon: int, mask: Tensor
) -> tuple[Tensor, State]:
    """Cut the state k steps before each output, one output at a time, then step by step."""
    visited = [start]
    for t in range(inputs.shape[1]):
        _, state = cell(inputs[:, t], visited[-1])
        visited.append(detach(state))
    outputs, states = [], []
    for t in range(inputs.shape[1]):
        state = visited[max(0, t - horizon + 1)]
        for s in range(max(0, t - horizon + 1), t + 1):
            output, state = cell(inputs[:, s], state)
        outputs.append(output)
        states.append(state)
    rows = []
    for row, length in enumerate(mask.sum(1).tolist()):
        last = states[length - 1] if length else start
        rows.append(map_state(lambda s, row=row: s[row], last))
    return torch.stack(outputs, dim=1), map_state(lambda *parts: torch.stack(parts), *rows)


@every_cell
@pytest.mark.parametrize("horizon", dear_but([1, 3, None], HORIZONS))
def test_values_are_those_of_the_full_unroll(name: str, horizon: int | None) -> None:
    cell = make(name)
    inputs, start, mask = draw(cell), draw_state(cell), prefix_mask([STEPS, 2, 0])
    same(unroll_within(cell, inputs, start, horizon), cell.unroll(inputs, start))
    outputs, last = unroll_within(cell, inputs, start, horizon, mask)
    expected, expected_last = cell.unroll(inputs, start, mask)
    same((outputs[mask], last), (expected[mask], expected_last))


@every_cell
@pytest.mark.parametrize("masked", [False, True], ids=["no_mask", "mask"])
@pytest.mark.parametrize("horizon", dear_but([1, 4], [1, 2, 4, STEPS]))
def test_gradients_are_those_of_the_definition(name: str, masked: bool, horizon: int) -> None:
    cell = make(name)
    mask = prefix_mask([STEPS, 3, 0]) if masked else prefix_mask([STEPS] * BATCH)
    inputs = draw(cell).requires_grad_()
    start = map_state(lambda s: s.requires_grad_(), draw_state(cell))
    weight = torch.randn(BATCH, STEPS, cell.output_size).double() * mask[..., None]

    slopes = []
    for outputs, last in (
        unroll_within(cell, inputs, start, horizon, mask if masked else None),
        by_definition(cell, inputs, start, horizon, mask),
    ):
        total = (outputs * weight).sum() + flatten(last).cos().sum()
        wrt = [*cell.parameters(), inputs, *leaves(start)]
        slopes.append(torch.autograd.grad(total, wrt, allow_unused=True, materialize_grads=True))

    same(*slopes)


@pytest.mark.parametrize("horizon", [1, 2, 3, 5, 9])
def test_gradient_equals_the_recursion_written_out(horizon: int) -> None:
    """Two tanh units, one row; no autograd on the one side."""
    cell = elman(INPUT, hidden_size=2).double()
    scatter(cell)
    inputs = torch.randn(1, 5, INPUT).double()
    start = torch.randn(1, 2).double().requires_grad_()
    taught = torch.randn(5, 2).double()  # slope of the loss at each output
    at_end = torch.randn(2).double()  # and at the final state
    outputs, last = unroll_within(cell, inputs, start, horizon)
    ((outputs[0] * taught).sum() + last[0] @ at_end).backward()

    w, u, b = (p.detach().numpy() for p in cell.parameters())
    x, h = inputs[0].numpy(), [start.detach()[0].numpy()]
    for t in range(5):
        h.append(np.tanh(w @ x[t] + u @ h[-1] + b))
    w_slope, u_slope, b_slope, start_slope = (np.zeros_like(a) for a in (w, u, b, h[0]))
    for t in range(5):
        error = taught[t].numpy() + (at_end.numpy() if t == 4 else 0)
        for s in range(t, max(-1, t - horizon), -1):
            error = error * (1 - h[s + 1] ** 2)
            w_slope += np.outer(error, x[s])
            u_slope += np.outer(error, h[s])
            b_slope += error
            error = u.T @ error
            if s == 0:
                start_slope += error

    for parameter, slope in zip(
        [cell.input_weight, cell.recurrent_weight, cell.bias],
        [w_slope, u_slope, b_slope],
        strict=True,
    ):
        np.testing.assert_allclose(parameter.grad.numpy(), slope)
    np.testing.assert_allclose(start.grad[0].numpy(), start_slope)


def test_one_linear_unit_by_hand() -> None:
    """h_t = x_t + u h_{t-1}, u = 3, x = 1, 1, 1, h_0 = 1; loss h_3."""
    slopes = {}
    for horizon in (1, 2, 3):
        cell = elman(1, hidden_size=1, activation="relu")
        with torch.no_grad():
            cell.input_weight.fill_(1)
            cell.recurrent_weight.fill_(3)
            cell.bias.zero_()
        outputs, _ = unroll_within(cell, torch.ones(1, 3, 1), torch.ones(1, 1), horizon)
        assert outputs.flatten().tolist() == [4, 13, 40]
        outputs[0, 2].sum().backward()
        slopes[horizon] = cell.recurrent_weight.grad.item()
    # d h_3 / du = h_2 + u (h_1 + u h_0), cut after one, two, three terms
    assert slopes == {1: 13, 2: 13 + 3 * 4, 3: 13 + 3 * (4 + 3 * 1)}


@every_cell
def test_inputs_beyond_the_horizon_get_no_gradient(name: str) -> None:
    cell = make(name)
    inputs = draw(cell).requires_grad_()
    outputs, last = unroll_within(cell, inputs, draw_state(cell), 2)
    for numbers in (outputs[:, -1], flatten(last)):
        if numbers.requires_grad:
            (seen,) = torch.autograd.grad(numbers.square().sum(), inputs, retain_graph=True)
            assert not seen[:, :-2].any()
            assert numbers.shape[1] == 0 or seen[:, -1].any()


def test_without_gradients_the_plain_unroll_runs() -> None:
    cell = make("gru")
    inputs, start = draw(cell), draw_state(cell)
    with torch.no_grad():
        same(unroll_within(cell, inputs, start, 1), cell.unroll(inputs, start), rtol=0, atol=0)


def test_a_stack_is_cut_across_all_its_layers() -> None:
    """The path up, over and on must not be longer than k steps in all."""
    cell = Stack([elman(INPUT), elman(4), elman(4)], 0.0).double()
    inputs = draw(cell).requires_grad_()
    outputs, _ = unroll_within(cell, inputs, draw_state(cell), 3)
    (seen,) = torch.autograd.grad(outputs[:, 5].sum(), inputs)
    assert not seen[:, :3].any()
    assert seen[:, 3].any()


def test_readable_changes_nothing() -> None:
    cell = make("stack")
    inputs, start, mask = draw(cell), draw_state(cell), prefix_mask([STEPS, 2, 0])
    outputs, last = unroll_within(cell, inputs, start, 2, mask)
    with readable(cell):
        expected, expected_last = unroll_within(cell, inputs, start, 2, mask)
    same((outputs[mask], last), (expected[mask], expected_last))
