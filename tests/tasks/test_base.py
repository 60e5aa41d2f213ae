"""Loss, metrics and true means, by hand-made batches."""

import math
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from torch import Tensor

from rnnlab.config.build import build
from rnnlab.config.catalogue import describe
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.spec import Batch, Reals, TaskSpec, Tokens
from rnnlab.tasks.base import Scorer, Task
from rnnlab.testing.examples import FILES
from rnnlab.testing.pairs import assemble


class Answers(Task):
    """A task whose batches the tests make by hand."""

    def __init__(self, target: Tokens | Reals) -> None:
        super().__init__("stream", seed=0)
        self.spec = TaskSpec(input=Reals(1), target=target)
        self.floor = {}

    def sample(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError

    def show(self, *_: object) -> NoReturn:
        raise AssertionError


def batch_of(target: Tensor, mask: list[list[int]], target_mask: Tensor | None = None) -> Batch:
    rows = torch.tensor(mask).bool()
    return Batch(torch.zeros(*rows.shape, 1), target, rows, target_mask=target_mask)


def sure(target: Tensor, vocab_size: int) -> Tensor:
    """Logits that leave no doubt."""
    return 100.0 * torch.nn.functional.one_hot(target, vocab_size).float()


TOKENS, REALS = Answers(Tokens(4)), Answers(Reals(2))


# Loss


def test_tokens_cost_their_mean_negative_log_probability_where_answered() -> None:
    probabilities = torch.tensor([[[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], [0.0, 0, 0, 1.0]]])
    batch = batch_of(torch.tensor([[3, 0, 1]]), [[1, 1, 0]])
    loss = TOKENS.loss(probabilities.log(), batch)
    assert loss.item() == pytest.approx(-(math.log(0.4) + math.log(0.7)) / 2)


def test_numbers_cost_their_mean_square_where_answered() -> None:
    output = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]]])
    batch = batch_of(torch.zeros(1, 3, 2), [[1, 1, 0]])
    assert REALS.loss(output, batch).item() == (1 + 4 + 9 + 16) / 4


def test_only_taught_numbers_cost() -> None:
    output = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]]])
    taught = torch.tensor([[[True, False], [True, True], [True, True]]])
    batch = batch_of(torch.zeros(1, 3, 2), [[1, 1, 0]], taught)
    assert REALS.loss(output, batch).item() == pytest.approx((1 + 9 + 16) / 3)


def test_what_is_not_taught_gives_no_gradient_whatever_stands_there() -> None:
    output = torch.ones(1, 2, 2, requires_grad=True)
    target = torch.tensor([[[0.0, torch.nan], [torch.inf, 0.0]]])
    taught = torch.tensor([True, False]).expand(1, 2, 2)
    loss = REALS.loss(output, batch_of(target, [[1, 0]], taught))
    loss.backward()
    assert loss.item() == 1
    assert output.grad.tolist() == [[[2, 0], [0, 0]]]


# Metrics


def test_perfect_tokens_score_one_and_cost_nothing() -> None:
    target = torch.tensor([[0, 3, 2], [1, 1, 0]])
    scores = TOKENS.metrics(sure(target, 4), batch_of(target, [[1, 1, 1], [0, 1, 1]]))
    assert {name: mean.value.item() for name, mean in scores.items()} == {
        "loss": 0,
        "accuracy": 1,
        "exact_match": 1,
    }


def test_metrics_count_answered_steps_and_whole_rows() -> None:
    target = torch.tensor([[0, 3, 2], [1, 1, 0]])
    answered = torch.tensor([[1, 3, 2], [2, 1, 3]])  # wrong: row 0 at 0 (not asked), row 1 at 2
    scores = TOKENS.metrics(sure(answered, 4), batch_of(target, [[0, 1, 1], [0, 1, 1]]))
    assert (scores["accuracy"].value.item(), scores["accuracy"].weight.item()) == (3 / 4, 4)
    assert (scores["exact_match"].value.item(), scores["exact_match"].weight.item()) == (1 / 2, 2)
    assert scores["loss"].value.item() == pytest.approx(100 / 4)


def test_numbers_have_a_loss_alone() -> None:
    scores = REALS.metrics(torch.ones(1, 2, 2), batch_of(torch.ones(1, 2, 2), [[1, 1]]))
    assert {name: mean.value.item() for name, mean in scores.items()} == {"loss": 0}


# True means


def test_unequal_batches_add_up_to_the_mean_over_all_that_was_counted() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(4, (7, 5), generator=generator)
    output = torch.randn(7, 5, 4, generator=generator)
    mask = torch.rand(7, 5, generator=generator) < 0.6
    whole = Batch(torch.zeros(7, 5, 1), target, mask)
    scorer = TOKENS.scorer()
    for rows in (slice(1), slice(1, 5), slice(5, 7)):
        part = Batch(whole.input[rows], target[rows], mask[rows])
        scorer.update(output[rows], part)
    expected = {name: mean.value.item() for name, mean in TOKENS.metrics(output, whole).items()}
    assert scorer.compute() == pytest.approx(expected)


def test_unequally_taught_batches_add_up_to_the_mean_over_all_numbers() -> None:
    target, mask = torch.zeros(1, 2, 2), [[1, 1]]
    few = torch.tensor([[[True, False], [False, False]]])
    scorer = REALS.scorer()
    scorer.update(torch.full((1, 2, 2), 3.0), batch_of(target, mask, few))
    scorer.update(torch.full((1, 2, 2), 1.0), batch_of(target, mask))
    assert scorer.compute() == {"loss": pytest.approx((9 + 4 * 1) / 5)}


def test_a_batch_without_answers_weighs_nothing() -> None:
    target = torch.tensor([[0, 3]])
    scorer = TOKENS.scorer()
    scorer.update(sure(target, 4), batch_of(target, [[0, 0]]))
    assert scorer.compute() == {"exact_match": 1}  # of the others there is no mean, not a nan
    scorer.update(sure(target, 4), batch_of(target, [[1, 0]]))
    assert scorer.compute() == {"loss": 0, "accuracy": 1, "exact_match": 1}


def test_a_scorer_without_batches_has_no_means() -> None:
    assert TOKENS.scorer().compute() == {}


# Random streams


def test_a_stream_of_numbers_belongs_to_seed_split_and_index() -> None:
    def numbers(seed: int, split: str, index: int) -> tuple[int, ...]:
        task = Answers(Reals(1))
        task.seed = seed
        return tuple(task.rng(split, index).integers(2**62, size=2).tolist())

    keys = [
        (seed, split, index)
        for seed in (0, 1, 2, 2**31)
        for split in ("train", "val", "test")
        for index in (0, 1, 2, 2**31)
    ]
    streams = {key: numbers(*key) for key in keys}
    assert len(set(streams.values())) == len(keys)
    assert streams == {key: numbers(*key) for key in keys}


# Lengths

LAYOUTS = {"elman": "stream", "seq2seq": "encoder_decoder"}
TEXTS = (
    "next_char",
    "next_word",
    "temporal_xor",
    "letters",
    "sentences",
)  # they go on from batch to batch
NO_LENGTH = {*FILES, *TEXTS, "scan"}  # tasks whose data say how long a sequence is


@pytest.mark.parametrize("model", ["elman", "seq2seq"])
@pytest.mark.parametrize("name", [name for name in describe("task") if name not in NO_LENGTH])
def test_no_training_sequence_is_longer_than_the_longest(name: str, model: str) -> None:
    task = build("task", compose([f"task={name}"]).task, LAYOUTS[model], 0)
    for length in (None, 3):
        batches = [task.sample("train", index, 64, length=length) for index in range(20)]
        read = [batch.input if batch.source is None else batch.source for batch in batches]
        found, longest = max(part.shape[1] for part in read), task.longest(length)
        assert found <= longest <= 2 * found
        bounded = name in ("translation", "speech", "speech_ctc", "reber")
        clamps = name in ("oscillation_clamped", "attractor_memory")
        if not bounded and not clamps:  # more is clamped than counted
            assert longest - found <= (name == "addition_binary")  # draws 1 length of 12 a batch


@pytest.mark.parametrize("model", ["elman", "seq2seq"])
@pytest.mark.parametrize("name", sorted(NO_LENGTH.difference(TEXTS)))
def test_the_longest_sequence_of_given_data_is_known(name: str, model: str) -> None:
    task = assemble(f"task={name}", f"model={model}").task
    batches = [task.sample("train", i, 64) for i in range(task.num_batches("train", 64) or 20)]
    read = [batch.input if batch.source is None else batch.source for batch in batches]
    # The longest command of SCAN need not have the longest actions.
    assert 0 <= task.longest() - max(part.shape[1] for part in read) <= 9 * (name == "scan")


def test_what_the_state_is_clamped_to_is_read_too() -> None:
    words = ["task=oscillation_clamped", "task.clamped_points=3", "task.length=7"]
    assert build("task", compose(words).task, "stream", 0).longest() == 7 + 3 * 2
    assert build("task", compose(words).task, "encoder_decoder", 0).longest() == 3


def test_a_text_goes_on_so_that_nothing_is_longest(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("the dog sleeps on. " * 40)
    words = ["task=next_char", f"task.path={tmp_path / 'text'}", "task.length=12"]
    assert build("task", compose(words).task, "stream", 0).longest() is None
    assert build("task", compose(words).task, "encoder_decoder", 0).longest() == 6


def test_a_scorer_that_keeps_more_hands_it_over() -> None:
    class Keeps(Scorer):
        def __init__(self, task: Task) -> None:
            super().__init__(task)
            self.rows: list[Tensor] = []

    class Hands(Keeps):
        def parts(self) -> list[Tensor]:
            return self.rows

    assert Hands(TOKENS).parts() == []
    with pytest.raises(ConfigError, match="Keeps must have parts and merge that hand over rows, w"):
        Keeps(TOKENS).parts()
