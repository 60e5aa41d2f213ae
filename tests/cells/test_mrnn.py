"""The multiplicative network against its equations with every matrix written out."""

import torch

from tests.cells.zoo import BATCH, draw, draw_state, elman, mrnn, same, scatter


def test_the_input_chooses_the_recurrent_matrix() -> None:
    cell = scatter(mrnn(3, num_factors=5).double())
    inputs, hidden = draw(cell)[:, 0], draw_state(cell)
    found, state = cell(inputs, hidden)
    for row in range(BATCH):
        factors = torch.diag(cell.input_factors @ inputs[row] + cell.factor_bias)
        transition = cell.factor_weight @ factors @ cell.state_factors  # (H, H)
        total = transition @ hidden[row] + cell.input_weight @ inputs[row] + cell.bias
        same(found[row], total.tanh())
    same(found, state)


def test_with_constant_factors_it_is_elmans() -> None:
    cell = scatter(mrnn(3).double())
    with torch.no_grad():
        cell.input_factors.zero_()
    twin = elman(3).double()
    recurrent = cell.factor_weight @ cell.factor_bias.diag() @ cell.state_factors
    twin.load_state_dict(
        {"input_weight": cell.input_weight, "recurrent_weight": recurrent, "bias": cell.bias}
    )
    inputs, state = draw(cell), draw_state(cell)
    same(cell.unroll(inputs, state), twin.unroll(inputs, state))


def test_it_begins_near_an_orthogonal_network() -> None:
    cell = mrnn(3, hidden_size=16)
    transition = cell.factor_weight @ cell.factor_bias.diag() @ cell.state_factors
    same(transition @ transition.T, torch.eye(16), rtol=0, atol=1e-5)
