"""Delay taps: what they hold, in which order, and least squares."""

import torch

from tests.cells.zoo import BATCH, INPUT, STEPS, draw, draw_state, make, same, taps, taps_mlp


def test_newest_input_stands_first() -> None:
    cell = taps(1, taps=3)
    inputs = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    outputs, state = cell.unroll(inputs, cell.initial_state(1))
    assert outputs[0].tolist() == [[1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 3, 2]]
    assert state.flatten().tolist() == [4, 3]


def test_numbers_of_one_input_stay_together() -> None:
    cell = taps(2, taps=2)
    inputs = torch.tensor([[[1.0, 10.0], [2.0, 20.0]]])
    outputs, _ = cell.unroll(inputs, torch.tensor([[[-1.0, -10.0]]]))
    assert outputs[0].tolist() == [[1, 10, -1, -10], [2, 20, 1, 10]]


def test_one_tap_is_memoryless() -> None:
    cell = make("taps_one")
    inputs, state = draw(cell), cell.initial_state(BATCH)
    outputs, last = cell.unroll(inputs, state)
    assert torch.equal(outputs, inputs)
    assert last.shape == (BATCH, 0, INPUT)


def test_hidden_layers_follow_their_equations() -> None:
    cell = make("taps_mlp_deep")
    inputs, state = draw(cell), draw_state(cell)
    outputs, _ = cell.unroll(inputs, state)
    (w1, b1), (w2, b2) = [(layer.weight, layer.bias) for layer in (cell.hidden[0], cell.hidden[2])]
    past = torch.cat([state.flip(1), inputs], dim=1)  # oldest first
    for t in range(STEPS):
        window = torch.cat([past[:, t + 2], past[:, t + 1], past[:, t]], dim=1)
        hidden = (window @ w1.T + b1).clamp(min=0)
        same(outputs[:, t], (hidden @ w2.T + b2).clamp(min=0))


def test_a_size_is_that_of_one_layer():
    one, other = (taps_mlp(INPUT, hidden_size=size) for size in (5, [5]))
    assert one.state_dict().keys() == other.state_dict().keys()
    assert one.output_size == other.output_size == 5
