"""Elman against torch and against its equation."""

import pytest
import torch
from torch import nn

from tests.cells.zoo import (
    HIDDEN,
    INPUT,
    STEPS,
    draw,
    draw_state,
    elman,
    make,
    same,
    scatter,
)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_agrees_with_torch_rnn_in_values_and_gradients(activation: str) -> None:
    theirs = nn.RNN(INPUT, HIDDEN, nonlinearity=activation, batch_first=True).double()
    scatter(theirs)
    ours = elman(INPUT, activation=activation).double()
    with torch.no_grad():
        ours.input_weight.copy_(theirs.weight_ih_l0)
        ours.recurrent_weight.copy_(theirs.weight_hh_l0)
        ours.bias.copy_(theirs.bias_ih_l0 + theirs.bias_hh_l0)
    inputs, start = draw(ours).requires_grad_(), draw_state(ours).requires_grad_()

    outputs, last = ours.unroll(inputs, start)
    expected, expected_last = theirs(inputs, start[None])
    same((outputs, last), (expected, expected_last[0]))

    weight = torch.randn_like(outputs)
    slopes = torch.autograd.grad(
        (outputs * weight).sum() + last.square().sum(),
        [ours.input_weight, ours.recurrent_weight, ours.bias, inputs, start],
    )
    expected_slopes = torch.autograd.grad(
        (expected * weight).sum() + expected_last.square().sum(),
        [theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0, inputs, start],
    )
    same(slopes, expected_slopes)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("elman", torch.tanh),
        ("elman_relu", lambda x: x.clamp(min=0)),
        ("elman_sigmoid", lambda x: 1 / (1 + (-x).exp())),
    ],
)
def test_follows_its_equation(name: str, function) -> None:
    cell = make(name)
    inputs, hidden = draw(cell), draw_state(cell)
    outputs, _ = cell.unroll(inputs, hidden)
    for t in range(STEPS):
        total = inputs[:, t] @ cell.input_weight.T + hidden @ cell.recurrent_weight.T + cell.bias
        hidden = function(total)
        same(outputs[:, t], hidden)


def test_one_unit_by_hand() -> None:
    cell = elman(1, hidden_size=1, activation="relu")
    with torch.no_grad():
        cell.input_weight.fill_(2)
        cell.recurrent_weight.fill_(0.5)
        cell.bias.fill_(-1)
    outputs, last = cell.unroll(torch.tensor([[[1.0], [3.0], [-9.0]]]), torch.tensor([[4.0]]))
    assert outputs.flatten().tolist() == [3, 6.5, 0]  # 2 + 2 - 1; 6 + 1.5 - 1; below 0
    assert last.item() == 0
