"""Jordan against his equations in NumPy, and its teacher."""

import numpy as np
import pytest
import torch

from rnnlab.cells import Jordan, JordanState
from rnnlab.spec import Reals, Tokens
from tests.cells.zoo import BATCH, INPUT, STEPS, draw, draw_state, jordan, make, same


def parameters(cell: Jordan) -> list[np.ndarray]:
    hidden = cell.hidden[0]
    numbers = [hidden.weight, hidden.bias, cell.readout.weight, cell.readout.bias]
    return [number.detach().numpy() for number in numbers]


@pytest.mark.parametrize("name", ["jordan", "jordan_tokens"])
def test_follows_its_equations(name: str) -> None:
    cell = make(name)
    inputs, state = draw(cell), draw_state(cell)
    outputs, last = cell.unroll(inputs, state)
    w, b, v, d = parameters(cell)
    context, fed_back = (part.numpy() for part in state)
    for t in range(STEPS):
        context = 0.5 * context + fed_back
        hidden = np.tanh(np.concatenate([inputs[:, t].numpy(), context], axis=1) @ w.T + b)
        answer = hidden @ v.T + d
        fed_back = answer
        if isinstance(cell.output, Tokens):
            powers = np.exp(answer)
            fed_back = powers / powers.sum(1, keepdims=True)
        np.testing.assert_allclose(outputs[:, t].detach().numpy(), answer)
    np.testing.assert_allclose(last.context.detach().numpy(), context)
    np.testing.assert_allclose(last.output.detach().numpy(), fed_back)


def one_unit(**settings: object) -> Jordan:
    """Hidden h = relu(x + 2 c), answer y = 3 h - 1."""
    cell = jordan(1, Reals(1), hidden_size=1, activation="relu", **settings)
    with torch.no_grad():
        cell.hidden[0].weight.copy_(torch.tensor([[1.0, 2.0]]))
        cell.hidden[0].bias.fill_(0)
        cell.readout.weight.fill_(3)
        cell.readout.bias.fill_(-1)
    return cell


def test_one_unit_by_hand() -> None:
    cell = one_unit(decay=0.5)
    outputs, last = cell.unroll(torch.tensor([[[1.0], [0.0], [1.0]]]), cell.initial_state(1))
    # c = 0: h = 1, y = 2.  c = 2: h = 4, y = 11.  c = 1 + 11 = 12: h = 25, y = 74.
    assert outputs.flatten().tolist() == [2, 11, 74]
    assert (last.context.item(), last.output.item()) == (12, 74)


def test_without_decay_the_context_is_the_last_output() -> None:
    cell = one_unit(decay=0.0)
    outputs, _ = cell.unroll(torch.tensor([[[1.0], [0.0], [1.0]]]), cell.initial_state(1))
    assert outputs.flatten().tolist() == [2, 11, 68]  # c = 11: h = 23, y = 68


def test_taught_numbers_replace_the_output_where_flagged() -> None:
    cell = one_unit(decay=0.5, teacher_forcing=True)
    # columns: x, what was right at t-1, whether to use it
    inputs = torch.tensor([[[1.0, 9.0, 0.0], [0.0, 1.0, 1.0], [1.0, 9.0, 0.0]]])
    outputs, _ = cell.unroll(inputs, cell.initial_state(1))
    # c = 0: h = 1, y = 2.  c = 1: h = 2, y = 5.  c = 0.5 + 5: h = 12, y = 35.
    assert outputs.flatten().tolist() == [2, 5, 35]


def test_each_number_is_taught_by_itself() -> None:
    cell, free = make("jordan_taught"), make("jordan")
    free.load_state_dict(cell.state_dict())
    x, state = torch.randn(BATCH, INPUT).double(), draw_state(cell)
    right = torch.randn(BATCH, 2).double()
    for flags in ([0, 0], [0, 1], [1, 0], [1, 1]):
        told = torch.tensor(flags).double().expand(BATCH, 2)
        answer, _ = cell(torch.cat([x, right, told], dim=1), state)
        mixed = state._replace(output=torch.where(told > 0, right, state.output))
        same(answer, free(x, mixed)[0])


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_clamped_units_are_the_first_context(decay: float) -> None:
    cell = jordan(INPUT, Reals(2), decay=decay).double()
    values = torch.randn(BATCH, 1).double()
    start = cell.clamp(cell.initial_state(BATCH), values)
    _, after = cell(torch.randn(BATCH, INPUT).double(), start)
    same(after.context, torch.cat([values, torch.zeros_like(values)], dim=1))


def test_tokens_feed_back_probabilities() -> None:
    cell = make("jordan_tokens")
    _, state = cell(draw(cell)[:, 0], cell.initial_state(BATCH))
    assert isinstance(state, JordanState)
    assert (state.output > 0).all()
    same(state.output.sum(1), torch.ones(BATCH).double())
