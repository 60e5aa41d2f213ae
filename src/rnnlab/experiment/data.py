"""From a task's batches to what a trainer reads: loaders, finite training sets, curricula."""

from collections.abc import Iterator, Sequence

import torch

from rnnlab.errors import ConfigError
from rnnlab.random_streams import generator
from rnnlab.ranges import PositiveInt, Sequences
from rnnlab.spec import SPLITS, Batch, Split, map_batch
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Task


@stackable()
class Curriculum:
    """Sequence length as training goes on: from `start` to `end` in equal steps, then `end`.

    Args:
        start: length at the first update, in what the task's `length` counts.
        end: length from update `steps` on.
        steps: updates.
    """

    def __init__(self, *, start: PositiveInt, end: PositiveInt, steps: PositiveInt) -> None:
        self.start, self.end, self.steps = start, end, steps

    def length(self, update: int) -> int:
        """Give the length of the batches of an update, counted from 0."""
        share = min(update / self.steps, 1.0)
        return round(self.start + share * (self.end - self.start))


@stackable()
class Data:
    """The batches of each split.

    Args:
        task: makes them.
        accumulate: batches an update.
        batch_size: B, sequences a batch, over all devices.
        eval_batch_size: sequences scored at once. Of a text that is read in streams it says
            nothing: the task fixes their number, so that a score depends on the text alone.
        train_size: sequences to train on, shuffled anew each time through, in whole batches where
            a task draws a length for each; `null` makes fresh ones without end, or for a text
            reads it in order, all windows that have their whole length.
        val_size: sequences to validate on; `null` for all where the task's data end. Of a text
            they are windows, rounded up to whole batches and taken from all over the split.
        test_size: sequences to test on; as `val_size`.
        curriculum: how long sequences are as training goes on, or `null`.
    """

    def __init__(
        self,
        task: Task,
        accumulate: int,
        *,
        batch_size: PositiveInt,
        eval_batch_size: PositiveInt,
        train_size: PositiveInt | None,
        val_size: Sequences | None,
        test_size: Sequences | None,
        curriculum: Curriculum | None,
    ) -> None:
        self.task = task
        self.accumulate = accumulate
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.train_size = train_size
        self.curriculum = curriculum
        self._sizes: dict[Split, int | None] = {"val": val_size, "test": test_size}
        if task.problem is None:
            self._check()

    @property
    def train_rows(self) -> int:
        """Sequences of a training batch: fewer than `batch_size` where there are no more."""
        return self.batch_size if self.train_size is None else min(self.batch_size, self.train_size)

    def train(self, index: int) -> Batch:
        """Make training batch `index`, a pure function of seed and index."""
        if self.train_size is not None:
            return self._from_pool(index)
        update = index // self.accumulate
        length = None if self.curriculum is None else self.curriculum.length(update)
        return self.task.sample("train", index, self.batch_size, length=length)

    def held_out(self, split: Split) -> list[tuple[int, int]]:
        """Give (index, batch_size) of each batch of the validation or test split."""
        size, rows = self._sizes[split], self._rows(split)
        most = self._num_batches(split)
        if most is not None:  # data that end: every batch is asked for all rows
            wanted = most if size is None else min(most, -(-size // rows))
            return [(index, rows) for index in range(wanted)]
        assert size is not None  # checked in the constructor
        full, rest = divmod(size, rows)
        plan = [(index, rows) for index in range(full)]
        return [*plan, (full, rest)] if rest else plan

    def _check(self) -> None:
        """Refuse sizes that the task's data don't have."""
        endless = {split: self._num_batches(split) is None for split in SPLITS}
        for split in self._sizes:
            if self._sizes[split] is None and endless[split]:
                raise ConfigError(
                    f"data.{split}_size must be a number, got null: this task makes sequences "
                    "without end"
                )
        if self.train_size is not None and not endless["train"]:
            raise ConfigError(
                f"data.train_size must be null, got {self.train_size}: this task trains on all "
                "of its file"
            )
        if self.curriculum is not None and not endless["train"]:
            raise ConfigError(
                "data.curriculum must be null: this task's sequences are as long as its file says"
            )
        if self.train_size is not None and self.curriculum is not None:
            raise ConfigError("data.curriculum needs fresh sequences: data.train_size must be null")

    def _num_batches(self, split: Split) -> int | None:
        return self.task.num_batches(split, self._rows(split))

    def _rows(self, split: Split) -> int:
        """Give the sequences of a batch."""
        if split == "train":
            return self.train_rows
        return self.task.num_streams(split) or self.eval_batch_size

    def _from_pool(self, index: int) -> Batch:
        """Pick rows of the finite training set, in an order shuffled anew each epoch."""
        assert self.train_size is not None
        size = self.train_rows
        batches = self.train_size // size
        epoch, place = divmod(index, batches)
        rng = generator(self.task.seed, "shuffle", epoch)
        lengths = self.task.lengths
        if self.task.one_length and lengths is not None and lengths.least < lengths.most:
            # Of one batch all rows would have the one length that it drew.
            return self.task.sample("train", int(rng.permutation(batches)[place]), size)
        rows = torch.from_numpy(rng.permutation(self.train_size)[place * size : (place + 1) * size])
        return map_batch(lambda part: part[rows], self._pool())

    def _pool(self) -> Batch:
        if not hasattr(self, "_made_pool"):
            assert self.train_size is not None
            self._made_pool = self.task.sample("train", 0, self.train_size)
        return self._made_pool


class TrainLoader:
    """Training batches from a position on; one pass ends where it is time to validate.

    It has a length, without which Lightning skips a batch.

    Args:
        data: makes the batches.
        start: the batch to begin with, so that a resumed run goes on with the one that was next.
        every: batches between validations.
        total: batches of the whole run; the last pass is shorter where it ends.
        accumulate: batches an update; the three above are multiples of it.
        rank: which share of the rows is this process's.
        world_size: processes that share each batch.
        repeat: give batch 0 always, to see whether a model can learn it by heart.
    """

    def __init__(
        self,
        data: Data,
        *,
        start: int,
        every: int,
        total: int,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
        repeat: bool = False,
    ) -> None:
        self.data = data
        self.every = every
        self.total = total
        self.accumulate = accumulate
        self.rank = rank
        self.world_size = world_size
        self.repeat = repeat
        self.position = start

    def __len__(self) -> int:
        into = self.position % self.every
        return min(self.every - into, max(self.total - self.position, 0))

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(len(self) // self.accumulate):
            update = range(self.position, self.position + self.accumulate)
            batches = [self.data.train(0 if self.repeat else index) for index in update]
            for batch in shares(self.data.task, batches, self.rank, self.world_size):
                self.position += 1
                yield batch


class HeldOutLoader:
    """The batches of the validation or test split, the same each time.

    Args:
        data: makes the batches.
        split: which.
        rank: which share of the batches is this process's.
        world_size: processes that share them.
    """

    def __init__(self, data: Data, split: Split, *, rank: int = 0, world_size: int = 1) -> None:
        self.data = data
        self.split = split
        self.rank = rank
        self.world_size = world_size
        self.plan = data.held_out(split)

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Batch]:
        for index, size in self.plan:
            batch = self.data.task.sample(self.split, index, size)
            yield share(batch, self.rank, self.world_size)


class OneBatch:
    """Training batch 0 in place of held-out data, to see whether a model has it by heart.

    Args:
        data: makes the batch.
        rank: which share of the rows is this process's.
        world_size: processes that share it.
    """

    def __init__(self, data: Data, *, rank: int = 0, world_size: int = 1) -> None:
        self.data = data
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batch]:
        yield share(self.data.train(0), self.rank, self.world_size)


def shares(task: Task, update: Sequence[Batch], rank: int, world_size: int) -> Iterator[Batch]:
    """Give a process its share of an update's batches, weighed by what is answered in each.

    The gradients of an update are averaged over its batches and over processes. Weighed so, their
    average is the gradient of the mean over everything that is answered in the update.
    """
    if len(update) == world_size == 1:
        yield update[0]
        return
    whole = sum(float(task.counted(batch)) for batch in update)
    for batch in update:
        own = share(batch, rank, world_size)
        counted = float(task.counted(own)) if len(own.mask) else 0.0
        if not counted and batch.first is None:
            own = _answered_row(update)  # its loss is finite, and counts nothing
        weight = counted * len(update) * world_size / max(whole, 1)
        yield own._replace(weight=torch.full((len(own.mask),), weight, dtype=torch.float64))


def _answered_row(update: Sequence[Batch]) -> Batch:
    """Give a row of an update in which something is answered."""
    batch = next((batch for batch in update if batch.mask.any()), update[0])
    row = int(batch.mask.any(dim=1).int().argmax())
    return map_batch(lambda part: part[row : row + 1], batch)


def share(batch: Batch, rank: int, world_size: int) -> Batch:
    """Give every `world_size`-th row, beginning with row `rank`."""
    if world_size == 1:
        return batch
    return map_batch(lambda part: part[rank::world_size], batch)
