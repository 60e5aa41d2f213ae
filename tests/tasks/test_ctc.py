"""Connectionist temporal classification against sums over all answers, one by one."""

import math
from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from rnnlab.tasks.ctc import collapse, ctc_nats


def read(answers: tuple[int, ...]) -> list[int]:
    return [symbol for symbol, _ in groupby(answers) if symbol]


def summed(logits: Tensor, text: list[int]) -> float:
    """Add up the probabilities of all answers to `(T, V)` logits that say a text."""
    probabilities = logits.softmax(1).tolist()
    total = 0.0
    for answers in product(range(logits.shape[1]), repeat=len(logits)):
        if read(answers) == text:
            total += math.prod(row[i] for row, i in zip(probabilities, answers, strict=True))
    return total


@pytest.mark.parametrize("text", [[], [1], [1, 2], [1, 1], [2, 1, 2], [2, 2, 1]])
@pytest.mark.parametrize("steps", [4, 5])
def test_the_loss_sums_over_all_answers(text: list[int], steps: int) -> None:
    torch.manual_seed(steps)
    output = 2 * torch.randn(2, 6, 3, dtype=torch.float64)
    mask = torch.arange(6) < torch.tensor([[6], [steps]])
    texts = torch.tensor([text + [0] * (6 - len(text))] * 2)
    found = ctc_nats(output, texts, mask)
    expected = [-math.log(summed(output[0], text)), -math.log(summed(output[1, :steps], text))]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_all_texts_together_are_certain() -> None:
    output = torch.randn(1, 3, 3, dtype=torch.float64)
    texts = {tuple(read(answers)) for answers in product(range(3), repeat=3)}
    rows = torch.tensor([[*text, 0, 0, 0][:3] for text in texts])
    mask = torch.ones(len(rows), 3, dtype=torch.bool)
    nats = ctc_nats(output.expand(len(rows), -1, -1), rows, mask)
    assert float((-nats).exp().sum()) == pytest.approx(1)


def test_its_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    output = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    texts = torch.tensor([[1, 2, 1, 0, 0], [3, 3, 0, 0, 0], [0, 0, 0, 0, 0]])
    mask = torch.arange(5) < torch.tensor([[5], [4], [2]])
    assert torch.autograd.gradcheck(lambda output: ctc_nats(output, texts, mask), output)


def test_too_few_steps_have_no_probability() -> None:
    mask = torch.tensor([[True, True, False]]).expand(2, -1)
    impossible, possible = ctc_nats(torch.zeros(2, 3, 3), torch.tensor([[1, 1], [1, 2]]), mask)
    assert impossible >= 10_000
    assert float(possible) == pytest.approx(2 * math.log(3))


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([1, 1, 0, 1, 2, 2], [1, 1, 2]),
        ([0, 0, 0, 0, 0, 0], []),
        ([3, 3, 3, 3, 3, 3], [3]),
        ([0, 2, 0, 0, 2, 1], [2, 2, 1]),
        ([1, 2, 3, 1, 2, 3], [1, 2, 3, 1, 2, 3]),
    ],
)
def test_repeats_are_taken_together_and_then_blanks_left_out(
    answers: list[int], text: list[int]
) -> None:
    ids, mask = torch.tensor([answers]), torch.ones(1, 6, dtype=torch.bool)
    assert collapse(ids, mask).tolist() == [text + [0] * (6 - len(text))]
    mask[:, 3:] = False
    cut = read(tuple(answers[:3]))
    assert collapse(ids, mask).tolist() == [cut + [0] * (6 - len(cut))]
