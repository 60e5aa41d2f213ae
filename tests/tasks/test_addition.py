import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout
from rnnlab.tasks.addition import Addition, AdditionBinary, AdditionMarked

LAYOUTS: tuple[Layout, ...] = ("stream", "encoder_decoder")
SPLITS = ("train", "val", "test")


def addition(
    layout: Layout = "stream", *, order: str = "most", seed: int = 0, **settings
) -> Addition:
    settings = {"length": 2, "min_length": None} | settings
    return Addition(layout, seed, answer_order=f"{order}_significant_first", **settings)


def sums(
    task: Addition, split: str, index: int = 0, n: int = 200, **wanted
) -> list[tuple[str, str]]:
    batch = task.sample(split, index, n, **wanted)
    return [
        (task.source_text(batch, row), task.decode(batch.target[row][batch.mask[row]].tolist()))
        for row in range(n)
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["most", "least"])
@pytest.mark.parametrize("length", [1, 2, 5, 30])
def test_sums_are_right(layout: Layout, order: str, length: int):
    for source, answer in sums(addition(layout, order=order), "train", length=length):
        left, right = source.split("+")
        assert str(int(left) + int(right)) == answer
        assert (len(left), len(right)) == (length, length)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 12), (3, 3), (5, 9)])
def test_the_floor_of_columns_is_a_sum_over_all_carries(low: int, high: int):
    task = AdditionBinary("stream", 0, length=high, min_length=low)
    carries = [(1 - 0.5**place) / 2 for place in range(high + 1)]
    wrong = sum(carries[place] for length in range(low, high + 1) for place in range(length + 1))
    steps = sum(length + 1 for length in range(low, high + 1))
    assert task.floor["accuracy"] == pytest.approx(1 - wrong / steps, abs=1e-12)


def test_the_floor_of_long_numbers_takes_no_time():
    floor = AdditionBinary("stream", 0, length=2**53, min_length=1).floor
    assert floor["accuracy"] == pytest.approx(0.5)


def test_marked_sequences_of_one_step_are_refused():
    task = AdditionMarked("stream", 0, length=9, min_length=None)
    with pytest.raises(ConfigError, match="length must be 2 or more, got 1"):
        task.sample("train", 0, 3, length=1)


@pytest.mark.parametrize("order", ["most", "least"])
def test_the_order_is_that_of_the_symbols_said(order: str):
    task = addition(order=order)
    batch = task.sample("train", 0, 100)
    for row in range(100):
        answer = "".join(task.words(batch.target[row][batch.mask[row]].tolist()))
        total = str(sum(map(int, task.source_text(batch, row).split("+"))))
        assert answer == (total if order == "most" else total[::-1])


def test_numbers_have_from_least_to_most_digits_and_no_leading_zero():
    task = addition(length=4, min_length=2)
    numbers = [n for source, _ in sums(task, "train") for n in source.split("+")]
    assert {len(n) for n in numbers} == {2, 3, 4}
    assert not any(n.startswith("0") for n in numbers)


def test_no_sum_of_train_is_in_val_or_test_in_either_order():
    problems = {split: set() for split in SPLITS}
    for split in SPLITS:
        for seed in (0, 1):
            for source, _ in sums(addition(seed=seed), split, n=1000):
                problems[split].add(frozenset(map(int, source.split("+"))))
    assert not problems["train"] & problems["val"]
    assert not problems["train"] & problems["test"]
    assert not problems["val"] & problems["test"]
    assert min(map(len, problems.values())) > 100


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_sums_of_one_digit(split: str):
    assert len({source for source, _ in sums(addition(), split, length=1, n=50)}) > 2


def binary(
    layout: Layout = "stream", length: int = 12, min_length: int | None = None
) -> AdditionBinary:
    return AdditionBinary(layout, 0, length=length, min_length=min_length)


def number(bits: torch.Tensor) -> int:
    return int("".join(str(int(bit)) for bit in bits.tolist())[::-1], 2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("length", [1, 12, 100])
def test_bits_are_those_of_the_sum(layout: Layout, length: int):
    batch = binary(layout).sample("test", 0, 50, length=length)
    columns = batch.input if layout == "stream" else batch.source
    assert columns.shape == (50, length + 1, 2)
    assert not columns[:, -1].any()
    for row in range(50):
        left, right = columns[row].unbind(1)
        assert number(left) + number(right) == number(batch.target[row])


def test_the_decoder_of_bits_begins_with_a_symbol_of_its_own():
    batch = binary("encoder_decoder").sample("test", 0, 4)
    assert batch.input[:, 0].tolist() == [2] * 4
    assert torch.equal(batch.input[:, 1:], batch.target[:, :-1])


def test_each_batch_of_bits_draws_its_length():
    task = binary(length=4, min_length=2)
    assert {task.sample("train", i, 1).mask.shape[1] for i in range(50)} == {3, 4, 5}


def test_the_floor_of_bits_is_what_the_best_column_reader_scores():
    task = binary(length=3, min_length=1)
    batches = [task.sample("train", index, 200) for index in range(600)]
    columns = torch.cat([batch.input.flatten(0, 1) for batch in batches]).sum(1).long()
    # A column of 01 says as much as one of 10: a carry is as likely.
    target = torch.cat([batch.target.flatten() for batch in batches])
    counts = torch.zeros(3, 2).index_put_(
        (columns, target), torch.ones(len(target)), accumulate=True
    )
    shares = counts / counts.sum(1, keepdim=True)
    nats = -(counts * shares.log()).sum() / counts.sum()
    assert float(nats) == pytest.approx(task.floor["loss"], abs=0.005)
    best = counts.max(1).values.sum() / counts.sum()
    assert float(best) == pytest.approx(task.floor["accuracy"], abs=0.01)


def marked(layout: Layout = "stream", length: int = 20) -> AdditionMarked:
    return AdditionMarked(layout, 0, length=length, min_length=None)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("length", [2, 3, 20])
def test_the_sum_is_of_the_two_marked_numbers_one_in_each_half(layout: Layout, length: int):
    batch = marked(layout).sample("train", 0, 100, length=length)
    steps = batch.input if layout == "stream" else batch.source
    values, markers = steps.unbind(2)
    assert steps.shape == (100, length, 2)
    assert (markers[:, : length // 2].sum(1) == 1).all()
    assert (markers[:, length // 2 :].sum(1) == 1).all()
    torch.testing.assert_close((values * markers).sum(1), batch.target[:, -1, 0])


def test_only_the_last_step_of_the_stream_is_answered():
    batch = marked().sample("train", 0, 5)
    assert batch.mask.sum(1).tolist() == [1] * 5
    assert batch.mask[:, -1].all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_saying_one_scores_the_floor_of_the_marked_sum(layout: Layout):
    task = marked(layout)
    batch = task.sample("test", 0, 20_000)
    scores = task.metrics(torch.ones_like(batch.target), batch)
    assert float(scores["loss"].value) == pytest.approx(task.floor["loss"], abs=0.005)
    assert float(scores["correct"].value) == pytest.approx(task.floor["correct"], abs=0.01)
    assert float(task.metrics(batch.target, batch)["correct"].value) == 1


def test_what_is_shown_names_the_marked_numbers_and_a_wrong_answer():
    task = marked("encoder_decoder")
    batch = task.sample("test", 0, 2)
    answer = batch.target + torch.tensor([0.0, 0.1])[:, None, None]
    right, wrong = task.show(batch, answer).splitlines()
    assert right.endswith(f"claims {float(batch.target[0]):.3f}")
    assert wrong.endswith("  x")


def test_bits_are_shown_beside_the_answer():
    task = binary(length=3)
    batch = task.sample("test", 0, 1)
    answer = batch.target.clone()
    answer[0, 0] = 1 - answer[0, 0]
    lines = task.show(batch, F.one_hot(answer, 2).float()).splitlines()
    assert lines[2].split()[-1] == "".join(map(str, batch.target[0].tolist()))
    assert lines[3].endswith("1 wrong")


@pytest.mark.parametrize(
    "make",
    [
        lambda: addition(length=2, min_length=3),
        lambda: binary(length=2, min_length=3),
        lambda: AdditionMarked("stream", 0, length=2, min_length=3),
        lambda: AdditionMarked("stream", 0, length=1, min_length=None),
    ],
)
def test_lengths_that_cannot_be_are_refused(make):
    with pytest.raises(ConfigError, match="length"):
        make()


def test_sums_of_a_seed_are_its_own():
    assert not np.array_equal(sums(addition(seed=0), "train"), sums(addition(seed=1), "train"))
