"""Members' batches equal those that each would draw alone."""

import numpy as np
import pytest
import torch

from rnnlab.config.catalogue import describe
from rnnlab.ensemble.batches import Batches, stack
from rnnlab.ensemble.generator import DifferentScalars, NotStackable, StackedGenerator
from rnnlab.experiment.experiment import Experiment
from rnnlab.spec import Batch
from rnnlab.tasks.lengths import Lengths
from tests.small_runs import assemble

TASKS = sorted(set(describe("task")) - {"next_char", "next_word"})  # which draw nothing
MODELS = ("elman", "seq2seq")  # one of each layout


def members(*words: str, seeds: tuple[int, ...] = (3, 1, 3, 2)) -> list[Experiment]:
    return [assemble(["data.batch_size=4", *words, f"seed={seed}"]) for seed in seeds]


def assert_same(one: Batch, other: Batch) -> None:
    for name, part, wanted in zip(Batch._fields, one, other, strict=True):
        assert (part is None) == (wanted is None), name
        if part is not None:
            assert part.dtype == wanted.dtype
            torch.testing.assert_close(part, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_members_get_the_batches_that_they_would_have_alone(task: str, model: str) -> None:
    experiments = members(f"model={model}", f"task={task}")
    batches = Batches(experiments)
    for index in range(3):
        assert_same(batches.train(index), stack([m.data.train(index) for m in experiments]))
    for split, size in (("val", 4), ("test", 3)):
        alone = stack([m.task.sample(split, 1, size) for m in experiments])  # type: ignore[arg-type]
        assert_same(batches.sample(split, 1, size), alone)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        ["data.train_size=6"],
        ["task.min_length=2"],
        ["trainer.overfit=true"],
        ["curriculum=linear", "data.curriculum.end=9"],
    ],
)
def test_so_it_is_for_every_kind_of_training_set(words: list[str]) -> None:
    experiments = members("model=elman", "task=copy", "task.length=4", "task.delay=1", *words)
    batches = Batches(experiments)
    overfit = experiments[0].training.overfit
    for index in range(4):
        alone = stack([m.data.train(0 if overfit else index) for m in experiments])
        assert_same(batches.train(index), alone)


def test_members_that_draw_two_numbers_of_their_own_are_drawn_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = Lengths.draw
    monkeypatch.setattr(Lengths, "draw", lambda self, rng: max(draw(self, rng), draw(self, rng)))
    experiments = members("model=elman", "task=copy", "task.min_length=2", seeds=tuple(range(8)))
    batches = Batches(experiments)
    for index in range(2):
        assert_same(batches.train(index), stack([m.data.train(index) for m in experiments]))


def test_a_task_that_draws_nothing_has_one_batch_for_all_seeds() -> None:
    experiments = members("model=elman", "task=next_char", "task.length=9")
    batches = Batches(experiments)
    assert batches.shared
    for member in experiments:
        assert_same(batches.train(2), member.data.train(2))
        assert_same(batches.sample("val", 1, 4), member.task.sample("val", 1, 4))


def test_without_padding_there_is_a_part_for_each_length() -> None:
    words = ["model=seq2seq", "task=copy", "task.length=4", "task.delay=1", "task.min_length=2"]
    experiments = members(*words, seeds=tuple(range(6)))
    batches = Batches(experiments)
    found = {}
    for rows, batch in batches.train_unpadded(3):
        assert rows is not None
        for place, n in enumerate(rows):
            found[n] = Batch._make(None if part is None else part[place] for part in batch)
    assert sorted(found) == list(range(6))
    assert len({batch.input.shape for batch in found.values()}) > 1
    for n, batch in found.items():
        assert_same(batch, experiments[n].data.train(3))


def test_one_seed_is_drawn_once() -> None:
    batches = Batches(members("model=elman", "task=copy", seeds=(5, 5)))
    assert batches.shared
    assert batches.train(0).input.dim() == 2


def generators() -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(3)]


def test_rows_come_from_their_own_streams() -> None:
    for name, bounds in (("integers", (9,)), ("random", ()), ("uniform", (1, 2)), ("normal", ())):
        drawn = getattr(StackedGenerator(generators(), 4), name)(*bounds, size=(12, 2))
        alone = [getattr(own, name)(*bounds, size=(4, 2)) for own in generators()]
        np.testing.assert_array_equal(drawn, np.concatenate(alone))


def test_what_is_not_one_part_a_row_is_refused() -> None:
    with pytest.raises(NotStackable, match="not one part a row"):
        StackedGenerator(generators(), 4).integers(9, size=5)
    with pytest.raises(NotStackable, match="permutation"):
        StackedGenerator(generators(), 4).permutation(12)
    with pytest.raises(NotStackable, match="from row to row"):
        StackedGenerator(generators(), 4).integers(np.arange(1, 13), size=12)
    assert StackedGenerator(generators(), 4).integers(7, 7, endpoint=True) == 7
    drawn = StackedGenerator(generators(), 4)
    drawn.random(12)
    with pytest.raises(NotStackable, match="after rows"):
        drawn.random()


def test_members_that_draw_different_numbers_go_on_apart() -> None:
    together = StackedGenerator(generators(), 4)
    assert together.integers(7, 7, endpoint=True) == 7
    with pytest.raises(DifferentScalars) as split:
        together.integers(100)
    alone = generators()
    for own in alone:
        own.integers(7, 7, endpoint=True)
    numbers = [own.integers(100) for own in alone]
    assert len(split.value.parts) == len(set(numbers)) == 3
    for (place,), streams in split.value.parts:
        assert streams.integers(7, 7, endpoint=True) == 7
        assert streams.integers(100) == numbers[place]
        np.testing.assert_array_equal(streams.random(4), alone[place].random(4))


def test_where_shorter_members_are_padded_the_longest_length_is_that_of_all() -> None:
    padded = StackedGenerator(generators(), 4, pads=True)
    alone = generators()
    lengths = [own.integers(1, 9) for own in alone]
    assert padded.integers(1, 9) == max(lengths)
    assert padded.lengths == lengths
    assert len(set(lengths)) > 1
    drawn = padded.random((12, max(lengths), 2)).reshape(3, 4, -1, 2)
    for own, length, rows in zip(alone, lengths, drawn, strict=True):
        np.testing.assert_array_equal(rows[:, :length], own.random((4, length, 2)))
        assert not rows[:, length:].any()
    with pytest.raises(NotStackable, match="not one column a step"):
        padded.random(12)


def test_only_one_number_of_theirs_can_be_a_length() -> None:
    padded = StackedGenerator(generators(), 4, pads=True)
    padded.integers(1, 9)
    with pytest.raises(NotStackable, match="after rows or lengths"):
        padded.integers(1, 9)
