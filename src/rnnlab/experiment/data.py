"""Batches of each split: finite training sets, curricula, and the loaders that Lightning reads."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import torch

from rnnlab.errors import ConfigError
from rnnlab.random_streams import generator
from rnnlab.ranges import PositiveInt, Sequences
from rnnlab.spec import SPLITS, Batch, Split, map_batch
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Task
from rnnlab.tasks.batch_check import checked

_AHEAD = 8  # updates whose batches are made at once
_SMALL = 2**14  # steps of all rows of a batch that is made ahead


@stackable()
class Curriculum:
    """Sequence length over training: from `start` linearly to `end`, then constant.

    Args:
        start: length at the first update, in the unit of the task's `length`.
        end: length from update `steps` on.
        steps: updates until then.
    """

    def __init__(self, *, start: PositiveInt, end: PositiveInt, steps: PositiveInt) -> None:
        self.start, self.end, self.steps = start, end, steps

    def length(self, update: int) -> int:
        """Return the length of the batches of an update, counted from 0."""
        share = min(update / self.steps, 1.0)
        return round(self.start + share * (self.end - self.start))


@stackable()
class Data:
    """The batches of each split.

    Args:
        task: makes the batches.
        accumulate: batches per update.
        batch_size: B, sequences per training batch, over all devices.
        eval_batch_size: sequences per held-out batch. For a text in streams the task fixes their
            number instead, so that a score depends on the text only.
        train_size: sequences of a finite training set, shuffled each epoch; tasks that draw a
            length per batch shuffle whole batches. `null` makes new sequences without end; a text
            is read in order, in all windows of full length.
        val_size: sequences to validate on; `null` for all if the task's data are finite. For a text
            it counts windows from all over the split, rounded up to whole batches.
        test_size: sequences to test on, as `val_size`.
        curriculum: the sequence length over training, or `null`.
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
        """Sequences per training batch: `batch_size`, or `train_size` if that is smaller."""
        return self.batch_size if self.train_size is None else min(self.batch_size, self.train_size)

    def train(self, index: int) -> Batch:
        """Make training batch `index`, a pure function of seed and index.

        Raises:
            ConfigError: it is not what the task's spec says.
        """
        if self.train_size is not None:
            return checked(self.task, self._from_training_set(index))
        update = index // self.accumulate
        length = None if self.curriculum is None else self.curriculum.length(update)
        return checked(self.task, self.task.sample("train", index, self.batch_size, length=length))

    def held_out(self, split: Split) -> list[tuple[int, int]]:
        """Return (index, batch_size) of each batch of the validation or test split."""
        size, rows = self._sizes[split], self._rows(split)
        most = self._num_batches(split)
        if most is not None:  # finite data: the last batch may have fewer rows than requested
            wanted = most if size is None else min(most, -(-size // rows))
            return [(index, rows) for index in range(wanted)]
        assert size is not None  # checked in the constructor
        full, rest = divmod(size, rows)
        plan = [(index, rows) for index in range(full)]
        return [*plan, (full, rest)] if rest else plan

    def _check(self) -> None:
        """Refuse sizes that don't go with the task's data, which are finite or not."""
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
                "of its data"
            )
        if self.curriculum is not None and not endless["train"]:
            raise ConfigError(
                "data.curriculum must be null: this task's sequences are as long as its data say"
            )
        if self.train_size is not None and self.curriculum is not None:
            raise ConfigError("data.curriculum needs fresh sequences: data.train_size must be null")

    def _num_batches(self, split: Split) -> int | None:
        return self.task.num_batches(split, self._rows(split))

    def _rows(self, split: Split) -> int:
        """Return the sequences per batch of a split."""
        if split == "train":
            return self.train_rows
        return self.task.num_streams(split) or self.eval_batch_size

    def _from_training_set(self, index: int) -> Batch:
        """Select rows of the finite training set, which is shuffled each epoch."""
        assert self.train_size is not None
        size = self.train_rows
        batches = self.train_size // size
        epoch, position = divmod(index, batches)
        rng = generator(self.task.seed, "shuffle", epoch)
        lengths = self.task.lengths
        if self.task.one_length and lengths is not None and lengths.least < lengths.most:
            # In one large batch all rows would have the same length.
            return self.task.sample("train", int(rng.permutation(batches)[position]), size)
        order = torch.from_numpy(rng.permutation(self.train_size))
        rows = order[position * size : (position + 1) * size]
        return map_batch(lambda part: part[rows], self._training_set)

    @cached_property
    def _training_set(self) -> Batch:
        """All sequences of the finite training set."""
        assert self.train_size is not None
        return self.task.sample("train", 0, self.train_size)


class TrainLoader:
    """Training batches; each pass over the loader ends when a validation is due.

    It has a length, without which Lightning skips a batch. Small batches are made for several
    updates at once, which takes half the time of making each between two updates: the processor
    still has numpy's code at hand.

    Args:
        data: makes the batches.
        start: index of the first batch, where a resumed run continues.
        every: batches between validations.
        total: batches of the whole run.
        accumulate: batches per update, of which the three above are multiples.
        rank: this process's rank.
        world_size: processes that share each batch.
        repeat: repeat batch 0, to see whether the model can overfit it.
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
        return min(self.every - self.position % self.every, max(self.total - self.position, 0))

    def __iter__(self) -> Iterator[Batch]:
        left, ahead = len(self) // self.accumulate, 1
        while left:
            ahead = min(ahead, left)
            left -= ahead
            updates = [self._update(number) for number in range(ahead)]
            ahead = _AHEAD if updates[0][0].mask.numel() <= _SMALL else 1
            for batches in updates:
                for batch in weighted_shares(self.data.task, batches, self.rank, self.world_size):
                    self.position += 1
                    yield batch

    def _update(self, number: int) -> list[Batch]:
        """Make the batches of an update, counted from the next one."""
        first = self.position + number * self.accumulate
        update = range(first, first + self.accumulate)
        return [self.data.train(0 if self.repeat else index) for index in update]


class HeldOutLoader:
    """The batches of the validation or test split, the same each time.

    Args:
        data: makes the batches.
        split: the split.
        rank: this process's rank.
        world_size: processes that share each batch.
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
            batch = checked(self.data.task, self.data.task.sample(self.split, index, size))
            yield share(batch, self.rank, self.world_size)


class OneBatch:
    """Training batch 0 in place of held-out data, to see whether the model overfits it."""

    def __init__(self, data: Data, *, rank: int = 0, world_size: int = 1) -> None:
        self.data = data
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batch]:
        yield share(self.data.train(0), self.rank, self.world_size)


def weighted_shares(
    task: Task, update: Sequence[Batch], rank: int, world_size: int
) -> Iterator[Batch]:
    """Yield a process's rows of an update's batches, weighted by their answered steps.

    Gradients are averaged over the batches of an update and over processes. With these weights
    their average is the gradient of the mean loss over all answered steps of the update.
    """
    if len(update) == world_size == 1:
        yield update[0]
        return
    whole = sum(float(task.counted(batch)) for batch in update)
    for batch in update:
        own = share(batch, rank, world_size)
        counted = float(task.counted(own)) if len(own.mask) else 0.0
        if not counted and batch.first is None:
            own = _answered_row(update)  # has a finite loss, of weight 0
        weight = counted * len(update) * world_size / max(whole, 1)
        yield own._replace(weight=torch.full((len(own.mask),), weight, dtype=torch.float64))


def _answered_row(update: Sequence[Batch]) -> Batch:
    """Return a row of an update with an answered step."""
    batch = next((batch for batch in update if batch.mask.any()), update[0])
    row = int(batch.mask.any(dim=1).int().argmax())
    return map_batch(lambda part: part[row : row + 1], batch)


def share(batch: Batch, rank: int, world_size: int) -> Batch:
    """Return every `world_size`-th row, starting with row `rank`."""
    if world_size == 1:
        return batch
    return map_batch(lambda part: part[rank::world_size], batch)
