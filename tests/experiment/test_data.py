"""Loaders: fresh batches, finite training sets, curricula, shares of devices, going on."""

import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.experiment.data import Curriculum, Data, HeldOutLoader, OneBatch, TrainLoader, share
from rnnlab.spec import Batch, map_batch
from rnnlab.tasks import Copy, NextChar
from tests.small_runs import FILES, TEXT, assemble

SETTINGS = {
    "batch_size": 4,
    "eval_batch_size": 4,
    "train_size": None,
    "val_size": 10,
    "test_size": 8,
    "curriculum": None,
}


def copy(seed: int = 0) -> Copy:
    return Copy("stream", seed, num_symbols=8, length=6, min_length=None, delay=1, answer="recall")


@pytest.fixture
def text_task(tmp_path) -> NextChar:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return NextChar(
        "stream",
        0,
        path=str(tmp_path / "text.txt"),
        length=5,
        cut=None,
        val_fraction=0.1,
        test_fraction=0.1,
        **FILES,
    )


def data(task=None, **settings) -> Data:
    return Data(task or copy(), 1, **SETTINGS | settings)


def rows(batch: Batch) -> list[tuple[int, ...]]:
    return [tuple(row) for row in batch.input.tolist()]


def same(one: Batch, other: Batch) -> bool:
    return all(a is b if a is None else torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_without_a_size_training_batches_are_the_tasks_own():
    made = data()
    assert same(made.train(3), made.task.sample("train", 3, 4))


def test_each_epoch_of_a_finite_set_shows_every_row_once_in_a_new_order():
    made = data(train_size=12)
    pool = rows(made.task.sample("train", 0, 12))
    assert len(set(pool)) == 12
    epochs = [
        [row for index in range(3 * e, 3 * e + 3) for row in rows(made.train(index))]
        for e in range(3)
    ]
    for epoch in epochs:
        assert sorted(epoch) == sorted(pool)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != pool


def test_rows_of_a_finite_set_keep_their_targets():
    made = data(train_size=12)
    pool = made.task.sample("train", 0, 12)
    targets = dict(zip(rows(pool), pool.target.tolist(), strict=True))
    batch = made.train(5)
    assert [targets[row] for row in rows(batch)] == batch.target.tolist()


def test_a_finite_set_smaller_than_a_batch_is_one_batch_and_a_rest_is_left_for_the_next_epoch():
    assert len(rows(data(train_size=3).train(0))) == 3
    made = data(train_size=10)
    for epoch in range(2):
        seen = [row for index in (2 * epoch, 2 * epoch + 1) for row in rows(made.train(index))]
        assert len(set(seen)) == 8


def test_the_order_of_a_finite_set_is_a_function_of_the_seed_and_the_index():
    assert same(data(train_size=12).train(7), data(train_size=12).train(7))
    one, other = (Data(copy(seed), 1, **SETTINGS | {"train_size": 12}) for seed in (0, 1))
    assert not same(one.train(0), other.train(0))


@pytest.mark.parametrize("task", ["copy", "addition_binary", "addition_marked", "addition"])
def test_a_finite_set_has_all_the_lengths_that_a_task_draws(task):
    words = [f"task={task}", "model=seq2seq", "task.length=5", "task.min_length=2"]
    made = assemble([*words, "data.batch_size=4", "data.train_size=41"]).data
    assert made.task.one_length == (task != "addition")
    epochs = [[made.train(index) for index in range(n, n + 10)] for n in (0, 10)]
    assert len({int(steps) for batch in epochs[0] for steps in batch.source_mask.sum(1)}) > 2
    one, other = ({str(batch.source.tolist()) for batch in epoch} for epoch in epochs)
    assert len(one) == 10
    if made.task.one_length:
        assert one == other
        assert [b.source.shape for b in epochs[0]] != [b.source.shape for b in epochs[1]]


def test_a_curriculum_goes_from_start_to_end_in_equal_steps_then_stays():
    curriculum = Curriculum(start=2, end=10, steps=8)
    assert [curriculum.length(i) for i in range(11)] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]
    assert Curriculum(start=5, end=1, steps=2).length(1) == 3


def test_a_curriculum_sets_the_length_of_training_and_of_nothing_else():
    made = data(curriculum=Curriculum(start=1, end=3, steps=2))
    answered = [int(made.train(index).mask[0].sum()) for index in range(4)]
    assert answered == [1, 2, 3, 3]
    made.accumulate = 2  # batches an update, by which a curriculum goes
    answered = [int(made.train(index).mask[0].sum()) for index in range(6)]
    assert answered == [1, 1, 2, 2, 3, 3]
    assert {int(batch.mask[0].sum()) for batch in HeldOutLoader(made, "val")} == {6}


def test_held_out_sizes_are_met_with_a_smaller_last_batch():
    made = data()
    assert made.held_out("val") == [(0, 4), (1, 4), (2, 2)]
    assert made.held_out("test") == [(0, 4), (1, 4)]
    loader = HeldOutLoader(made, "val")
    assert len(loader) == 3
    assert sum(len(rows(batch)) for batch in loader) == 10
    assert all(same(a, b) for a, b in zip(loader, loader, strict=True))


@pytest.mark.parametrize("batch_size", [1, 4, 50])
def test_of_a_text_every_batch_has_all_streams(text_task, batch_size):
    text_task.num_streams = lambda _: 3
    windows = text_task.num_batches("val", 3)
    assert windows > 3
    made = data(text_task, val_size=None, batch_size=batch_size)
    assert made.held_out("val") == [(i, 3) for i in range(windows)]
    assert data(text_task, val_size=8).held_out("val") == [(0, 3), (1, 3), (2, 3)]
    assert len(data(text_task, val_size=10_000).held_out("val")) == windows


def test_what_is_scored_does_not_depend_on_the_batches_of_training():
    one, other = (data(batch_size=size) for size in (1, 7))
    for split in ("val", "test"):
        pairs = zip(HeldOutLoader(one, split), HeldOutLoader(other, split), strict=True)
        assert all(same(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"val_size": None}, "data.val_size must be a number, got null"),
        ({"test_size": None}, "data.test_size must be a number, got null"),
        (
            {"train_size": 8, "curriculum": Curriculum(start=1, end=2, steps=3)},
            "data.curriculum needs fresh sequences: data.train_size must be null",
        ),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        data(**settings)


def test_a_text_is_read_in_order_and_takes_no_size(text_task):
    with pytest.raises(ConfigError, match=r"data\.train_size must be null, got 8"):
        data(text_task, train_size=8)


def test_passes_go_on_where_the_last_one_ended_and_the_last_is_shorter():
    made = data()
    loader = TrainLoader(made, start=0, every=3, total=7)
    lengths, seen = [], []
    for _ in range(4):
        lengths.append(len(loader))
        seen.append(list(loader))
    assert lengths == [3, 3, 1, 0]
    assert [len(batches) for batches in seen] == [3, 3, 1, 0]
    flat = [batch for batches in seen for batch in batches]
    assert all(same(batch, made.train(i)) for i, batch in enumerate(flat))


@pytest.mark.parametrize("taken", [1, 3, 4])
def test_a_loader_begins_within_a_pass_too(taken):
    made = data()
    loader = TrainLoader(made, start=0, every=3, total=6)
    whole = [batch for _ in range(2) for batch in loader]
    second = TrainLoader(made, start=taken, every=3, total=6)
    assert len(second) == 3 - taken % 3
    rest = []
    while len(second):
        rest += list(second)
    assert len(rest) == 6 - taken
    assert all(same(a, b) for a, b in zip(rest, whole[taken:], strict=True))


def test_overfitting_repeats_the_first_batch_and_validates_on_it():
    made = data()
    batches = list(TrainLoader(made, start=0, every=3, total=3, repeat=True))
    held_out = list(OneBatch(made))
    assert len(held_out) == len(OneBatch(made)) == 1
    assert len(batches) == 3
    assert all(same(batch, made.train(0)) for batch in [*batches, *held_out])


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_shares_are_the_batch_cut_into_equal_parts(world_size):
    batch = data().train(0)
    shares = [share(batch, rank, world_size) for rank in range(world_size)]
    assert {part.input.shape[0] for part in shares} == {4 // world_size}
    assert sorted(row for part in shares for row in rows(part)) == sorted(rows(batch))


@pytest.mark.parametrize(("accumulate", "world_size"), [(3, 1), (1, 2), (2, 3), (2, 7)])
@pytest.mark.parametrize("task", ["addition", "oscillation"])
def test_an_update_is_weighed_by_what_is_answered(task, accumulate, world_size):
    """The mean of the weighed gradients is that of the mean over all answers, in float64."""
    words = [f"task={task}", "data.batch_size=5", "model=elman", "model.cell.hidden_size=4"]
    experiment = assemble(words)
    model, task, made = experiment.model.double(), experiment.task, experiment.data
    batches = [made.train(index) for index in range(accumulate)]
    total, counted = 0.0, 0
    for batch in (map_batch(_double, batch) for batch in batches):
        output, _ = model(batch)
        total = total + task.loss(output, batch) * task.counted(batch)
        counted += int(task.counted(batch))
    right = torch.autograd.grad(total / counted, model.parameters())
    steps = []
    for rank in range(world_size):
        loader = TrainLoader(
            made,
            start=0,
            every=accumulate,
            total=accumulate,
            accumulate=accumulate,
            rank=rank,
            world_size=world_size,
        )
        for batch in (map_batch(_double, batch) for batch in loader):
            loss = task.loss(model(batch)[0], batch) * batch.weight[0]
            steps.append(torch.autograd.grad(loss, model.parameters()))
    assert len(steps) == accumulate * world_size
    for whole, *parts in zip(right, *steps, strict=True):
        torch.testing.assert_close(torch.stack(parts).mean(0), whole)


def _double(part: torch.Tensor) -> torch.Tensor:
    return part.double() if part.is_floating_point() else part


@pytest.mark.parametrize("kind", ["train", "val", "overfit"])
def test_the_loaders_of_all_devices_give_each_batch_once(kind):
    made = data()
    make = {
        "train": lambda **where: TrainLoader(made, start=0, every=2, total=2, **where),
        "val": lambda **where: HeldOutLoader(made, "val", **where),
        "overfit": lambda **where: OneBatch(made, **where),
    }[kind]
    whole = list(make())
    halves = zip(make(rank=0, world_size=2), make(rank=1, world_size=2), strict=True)
    for batch, (one, other) in zip(whole, halves, strict=True):
        assert sorted(rows(one) + rows(other)) == sorted(rows(batch))
