"""GRU against torch and against its equations."""

import torch
from torch import nn

from tests.cells.zoo import HIDDEN, INPUT, STEPS, draw, draw_state, gru, make, same, scatter


def test_agrees_with_torch_gru_in_values_and_gradients() -> None:
    theirs = nn.GRU(INPUT, HIDDEN, batch_first=True).double()
    scatter(theirs)
    with torch.no_grad():
        theirs.bias_hh_l0[: 2 * HIDDEN] = 0  # torch keeps two biases where one is enough
    ours = gru(INPUT).double()
    with torch.no_grad():
        ours.input_weight.copy_(theirs.weight_ih_l0)
        ours.recurrent_weight.copy_(theirs.weight_hh_l0)
        ours.bias.copy_(theirs.bias_ih_l0)
        ours.candidate_bias.copy_(theirs.bias_hh_l0[2 * HIDDEN :])
    inputs, start = draw(ours).requires_grad_(), draw_state(ours).requires_grad_()

    outputs, last = ours.unroll(inputs, start)
    expected, expected_last = theirs(inputs, start[None])
    same((outputs, last), (expected, expected_last[0]))

    weight = torch.randn_like(outputs)
    *slopes, candidate_slope = torch.autograd.grad(
        (outputs * weight).sum() + last.square().sum(),
        [ours.input_weight, ours.recurrent_weight, ours.bias, inputs, start, ours.candidate_bias],
    )
    *expected_slopes, bias_slope = torch.autograd.grad(
        (expected * weight).sum() + expected_last.square().sum(),
        [
            theirs.weight_ih_l0,
            theirs.weight_hh_l0,
            theirs.bias_ih_l0,
            inputs,
            start,
            theirs.bias_hh_l0,
        ],
    )
    same(slopes, expected_slopes)
    same(candidate_slope, bias_slope[2 * HIDDEN :])


def test_follows_its_equations() -> None:
    cell = make("gru")
    inputs, h = draw(cell), draw_state(cell)
    outputs, _ = cell.unroll(inputs, h)
    w_r, w_z, w_n = cell.input_weight.split(HIDDEN)
    u_r, u_z, u_n = cell.recurrent_weight.split(HIDDEN)
    b_r, b_z, b_n = cell.bias.split(HIDDEN)
    for t in range(STEPS):
        x = inputs[:, t]
        r = torch.sigmoid(x @ w_r.T + h @ u_r.T + b_r)
        z = torch.sigmoid(x @ w_z.T + h @ u_z.T + b_z)
        n = torch.tanh(x @ w_n.T + b_n + r * (h @ u_n.T + cell.candidate_bias))
        h = (1 - z) * n + z * h
        same(outputs[:, t], h)


def test_biases_begin_where_set() -> None:
    cell = gru(INPUT, update_bias=1.5)
    reset, update, candidate = cell.bias.split(HIDDEN)
    assert not reset.any()
    assert not candidate.any()
    assert not cell.candidate_bias.any()
    assert update.tolist() == [1.5] * HIDDEN


def test_a_wide_open_update_gate_keeps_the_state() -> None:
    cell = gru(INPUT, update_bias=1e4).double()
    start = draw_state(cell)
    _, last = cell.unroll(draw(cell), start)
    same(last, start)
