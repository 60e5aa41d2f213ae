"""The neural Turing machine against its equations in loops, and its heads in closed form."""

import math

import pytest
import torch
from torch import Tensor

from rnnlab.cells import NTM
from tests.cells.zoo import BATCH, INPUT, draw, draw_state, ntm, same, scatter

N, M = 5, 3


def moved(head: list[float], memory: Tensor, weights: Tensor) -> Tensor:
    """Move a head as eqs. 5-9 say, number by number."""
    key, (strength, gate), shifts, sharpness = head[:M], head[M : M + 2], head[M + 2 : -1], head[-1]
    beta, gamma = math.log1p(math.exp(strength)), 1 + math.log1p(math.exp(sharpness))
    likeness = [
        sum(a * b for a, b in zip(key, row, strict=True)) / math.hypot(*key) / math.hypot(*row)
        for row in memory.tolist()
    ]
    found = [math.exp(beta * k) for k in likeness]
    g = 1 / (1 + math.exp(-gate))
    gated = [g * f / sum(found) + (1 - g) * w for f, w in zip(found, weights.tolist(), strict=True)]
    chances = [math.exp(s) / sum(map(math.exp, shifts)) for s in shifts]
    shifted = [
        sum(
            chance * gated[(i - step) % N] for chance, step in zip(chances, (-1, 0, 1), strict=True)
        )
        for i in range(N)
    ]
    sharp = [weight**gamma for weight in shifted]
    return torch.tensor([weight / sum(sharp) for weight in sharp]).double()


def test_a_step_is_that_of_the_paper() -> None:
    cell = scatter(ntm(INPUT).double())
    inputs, old = draw(cell)[:, 0], draw_state(cell)
    output, new = cell(inputs, old)
    for row in range(BATCH):
        hidden = cell.input_weight @ inputs[row] + cell.read_weight @ old.read[row] + cell.bias
        numbers = (cell.head_weight @ hidden.tanh() + cell.head_bias).tolist()
        head = M + 6
        write = moved(numbers[:head], old.memory[row], old.write_head[row].softmax(0))
        erase, add = torch.tensor(numbers[2 * head :]).double().split(M)
        memory = torch.stack(
            [
                old.memory[row, i] * (1 - write[i] * erase.sigmoid()) + write[i] * add.tanh()
                for i in range(N)
            ]
        )
        read = moved(numbers[head : 2 * head], memory, old.read_head[row].softmax(0))
        same(new.write_head[row].exp(), write, rtol=1e-6, atol=1e-9)
        same(new.memory[row], memory, rtol=1e-6, atol=1e-9)
        same(new.read_head[row].exp(), read, rtol=1e-6, atol=1e-9)
        same(new.read[row], read @ memory, rtol=1e-6, atol=1e-9)
        same(output[row], torch.cat([hidden.tanh(), new.read[row]]))


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_head_can_walk_and_find(shift: int) -> None:
    cell = ntm(INPUT).double()
    memory = torch.eye(N, M).double()[None]
    head = torch.eye(N).double()[3:4].log().clamp(min=-20)
    by = [50.0 * (step == shift) for step in (-1, 0, 1)]
    walk = torch.tensor([[1.0, 0, 0, 0, -50, *by, 0]]).double()
    same(cell._move(walk, memory, head).argmax(1), torch.tensor([3 + shift]))
    find = torch.tensor([[0.0, 1, 0, 50, 50, *by, 0]]).double()
    found = cell._move(find, memory, head)
    same(found.argmax(1), torch.tensor([(1 + shift) % N]))
    same(found.exp().sum(1), torch.ones(1).double())


def test_all_begins_at_the_first_location_of_an_unwritten_memory() -> None:
    cell = NTM(2, hidden_size=4, num_locations=6, location_size=3, input_init="xavier")
    state = cell.initial_state(2)
    assert state.read_head.argmax(1).tolist() == state.write_head.argmax(1).tolist() == [0, 0]
    assert float(state.memory.abs().max()) < 1e-5
    assert cell.output_size == 4 + 3
