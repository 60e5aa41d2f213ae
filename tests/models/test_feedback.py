"""How an answer becomes part of the next input."""

import torch

from rnnlab.models.feedback import feed, greedy
from rnnlab.spec import Reals, TaskSpec, Tokens

TOKENS = TaskSpec(input=Tokens(4), target=Tokens(3), feedback=True)
REALS = TaskSpec(input=Reals(3), target=Reals(2), feedback=True)


def test_greedy_takes_the_likeliest_token_and_leaves_reals() -> None:
    output = torch.tensor([[0.1, 2.0, -1.0], [0.0, -1.0, -2.0]])
    assert greedy(TOKENS, output).tolist() == [1, 0]
    assert greedy(REALS, output) is output


def test_a_token_is_the_next_input() -> None:
    assert feed(TOKENS, torch.tensor([3, 3]), torch.tensor([1, 0])).tolist() == [1, 0]


def test_reals_are_the_first_numbers_of_the_next_input() -> None:
    fed = feed(REALS, torch.tensor([[7.0, 8.0, 9.0]]), torch.tensor([[1.0, 2.0]]))
    assert fed.tolist() == [[1, 2, 9]]
