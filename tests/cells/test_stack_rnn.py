"""The stack-augmented network against stacks that are lists, and as one that counts."""

import pytest
import torch

from rnnlab.cells import StackRNNState
from rnnlab.errors import ConfigError
from tests.cells.zoo import BATCH, INPUT, draw, draw_state, same, scatter, stack_rnn


@pytest.mark.parametrize("keep", [True, False])
def test_a_step_pushes_and_pops_by_degrees(keep: bool) -> None:
    cell = scatter(stack_rnn(INPUT, keep=keep).double())
    inputs, old = draw(cell)[:, 0], draw_state(cell)
    hidden, new = cell(inputs, old)
    for row in range(BATCH):
        total = cell.input_weight @ inputs[row] + cell.bias
        total += cell.recurrent_weight @ old.hidden[row]
        total += cell.top_weight @ old.stacks[row, :, :2].flatten()
        same(hidden[row], 1 / (1 + torch.exp(-total)))
        for stack in range(3):
            kinds = len(cell.actions)
            mine = slice(stack * kinds, (stack + 1) * kinds)
            scores = cell.action_weight[mine] @ hidden[row] + cell.action_bias[mine]
            push, pop, *stay = (scores.exp() / scores.exp().sum()).tolist()
            pushed = torch.sigmoid(cell.push_weight[stack] @ hidden[row]).item()
            before = old.stacks[row, stack].tolist()
            after = [
                push * ([pushed, *before][place]) + pop * ([*before, -1.0][place + 1])
                for place in range(len(before))
            ]
            if stay:
                after = [a + stay[0] * b for a, b in zip(after, before, strict=True)]
            same(new.stacks[row, stack], torch.tensor(after).double())
    same(new.hidden, hidden)


def test_what_was_pushed_first_is_popped_last() -> None:
    """Input 0 pushes, as 0 or 1 by input 1, and input 2 pops."""
    cell = stack_rnn(3, hidden_size=3, num_stacks=1, depth=5, recurrent=False).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.input_weight.copy_(80 * torch.eye(3))
        cell.bias.fill_(-40)
        cell.action_weight.copy_(torch.tensor([[90.0, 0, 0], [0, 0, 90], [0, 0, 0]]))
        cell.action_bias.copy_(torch.tensor([0.0, 0, 45]))
        cell.push_weight.copy_(torch.tensor([[-40.0, 80, 0]]))
    state, tops = cell.initial_state(1), []
    for step in ([1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1]):
        _, state = cell(torch.tensor([step]).double(), state)
        tops.append(round(state.stacks[0, 0, 0].item()))
    assert tops == [1, 0, 0, 1, -1]


def test_without_recurrence_the_stacks_are_the_only_memory() -> None:
    cell = scatter(stack_rnn(INPUT, recurrent=False).double())
    inputs, state = draw(cell)[:, 0], draw_state(cell)
    other = StackRNNState(torch.randn_like(state.hidden), state.stacks)
    same(cell(inputs, state), cell(inputs, other))


def test_the_degrees_of_a_stack_add_up_to_one() -> None:
    cell = scatter(stack_rnn(INPUT).double())
    gates = cell.gates(draw(cell)[:, 0], draw_state(cell))
    assert list(gates) == ["push", "pop", "keep"]
    same(sum(gates.values()), torch.ones(BATCH, 3).double())


def test_more_can_t_be_read_than_there_is() -> None:
    with pytest.raises(ConfigError, match="num_read must be depth=4 at most, got 5"):
        stack_rnn(INPUT, num_read=5)
