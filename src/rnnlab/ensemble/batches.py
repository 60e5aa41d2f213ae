"""The batches of N members side by side, each equal to the batch of its run alone."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.ensemble.generator import DifferentScalars, NotStackable, StackedGenerator
from rnnlab.experiment.data import Data
from rnnlab.experiment.experiment import Experiment
from rnnlab.random_streams import Generators
from rnnlab.spec import Batch, Split, map_batch


class Part(NamedTuple):
    """The batch of some members.

    Attributes:
        members: their positions, or `None` for all members.
        batch: `(n, B, ...)`, or `(B, ...)` if it is shared.
    """

    members: list[int] | None
    batch: Batch


class Batches:
    """Makes the batches of all members; members with the same seed share theirs.

    Members' settings of task and data differ in the seed only. If members draw different lengths,
    the shorter sequences are padded and masked out.

    Args:
        experiments: those of the members.

    Attributes:
        members: how many there are.
        shared: whether all members have the same batches, since they have the same seed or the
            task draws nothing; then batches are `(B, ...)`, without N.
    """

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        by_seed = {experiment.task.seed: experiment for experiment in experiments}
        position = {seed: n for n, seed in enumerate(by_seed)}
        self._indices = [position[experiment.task.seed] for experiment in experiments]
        self.members = len(self._indices)
        self._experiments = list(by_seed.values())
        self._first = self._experiments[0]
        self._generators = Generators(list(by_seed))
        self._data = copy(self._first.data)  # draws for all seeds: `_draw` replaces task.rng
        self._data.task = copy(self._data.task)
        # Some tasks are built from their seed, and finite training sets are shuffled by it.
        differ = len({experiment.task.fingerprint() for experiment in self._experiments}) > 1
        finite = self._first.data.train_size is not None
        self._one_by_one = differ or finite or self._shuffles()
        self.shared = len(by_seed) == 1 or not (self._one_by_one or self._draws())

    def train(self, index: int) -> Batch:
        """Make training batch `index`."""
        index = 0 if self._first.training.overfit else index
        return self._make(self._first.data.batch_size, lambda data, _: data.train(index))

    def train_unpadded(self, index: int) -> list[Part]:
        """Make training batch `index` in parts of members whose sequences have the same lengths.

        Members that draw random numbers in training need these: for each step, and none more.
        """
        if self.shared:
            return [Part(None, self.train(index))]
        index = 0 if self._first.training.overfit else index
        by_shape: dict[Any, list[int]] = {}
        batches = [experiment.data.train(index) for experiment in self._experiments]
        for n, position in enumerate(self._indices):
            shapes = [None if part is None else part.shape for part in batches[position]]
            by_shape.setdefault(repr(shapes), []).append(n)
        parts = [
            Part(members, stack([batches[self._indices[n]] for n in members]))
            for members in by_shape.values()
        ]
        return [Part(None, parts[0].batch)] if len(parts) == 1 else parts

    def held_out(self, split: Split) -> list[tuple[int, int]]:
        """Return (index, batch_size) of each held-out batch."""
        data = self._first.data
        return [(0, data.batch_size)] if self._first.training.overfit else data.held_out(split)

    def sample(self, split: Split, index: int, batch_size: int) -> Batch:
        """Make a held-out batch; under `overfit` it is training batch 0."""
        if self._first.training.overfit:
            return self.train(0)
        return self._make(batch_size, lambda data, rows: data.task.sample(split, index, rows))

    def _shuffles(self) -> bool:
        """Whether the seed orders the batches of a task that has so many and no more."""
        if self._first.task.num_batches("train", self._first.data.batch_size) is None:
            return False
        batches = [experiment.data.train(0) for experiment in self._experiments[:2]]
        parts = [part for part in zip(*batches, strict=True) if part[0] is not None]
        return any(not torch.equal(part[0], part[-1]) for part in parts)

    def _draws(self) -> bool:
        """Whether the task draws its batches by its generator, or has data that never end."""
        data, task, drawn = copy(self._first.data), copy(self._first.task), False

        def rng(split: Split, index: int) -> np.random.Generator:
            nonlocal drawn
            drawn = True
            return self._first.task.rng(split, index)

        if task.num_batches("train", data.batch_size) is None:
            return True
        data.task, task.rng = task, rng  # type: ignore[method-assign]
        data.train(0)
        for split in ("val", "test"):
            task.sample(split, *data.held_out(split)[0])
        return drawn

    def _make(self, rows: int, make: Callable[[Data, int], Batch]) -> Batch:
        """Make the batches of all members, in one draw if possible."""
        if self.shared:
            return make(self._first.data, rows)
        batch = self._make_at_once(rows, make)
        if batch is None:
            batch = stack([make(experiment.data, rows) for experiment in self._experiments])
        if len(self._experiments) == len(self._indices):
            return batch
        return map_batch(lambda part: part[self._indices], batch)

    def _make_at_once(self, rows: int, make: Callable[[Data, int], Batch]) -> Batch | None:
        """Make the batches of all seeds as one batch; `None` if the task can't."""
        if self._one_by_one:
            return None
        try:
            try:
                return self._draw(None, rows, make)
            except DifferentScalars as error:
                parts = error.parts
            batches = [self._draw(rng, rows, make) for _, rng in parts]
        except NotStackable:
            self._one_by_one = True
            return None
        return _concatenate(batches, [members for members, _ in parts])

    def _draw(
        self, rng: StackedGenerator | None, rows: int, make: Callable[[Data, int], Batch]
    ) -> Batch:
        """Make the batches `(n, B, ...)` of the members of a generator; `None` for all seeds."""
        used = rng

        def stacked_rng(split: Split, index: int) -> Any:
            nonlocal used
            if rng is None:
                own = self._generators(split, index)
                used = StackedGenerator(own, rows, pads=data.task.causal)
            return used

        members = len(self._experiments) if rng is None else len(rng)
        data = self._data
        data.batch_size = members * rows
        data.task.rng = stacked_rng  # type: ignore[method-assign]
        batch = make(data, data.batch_size)
        if used is None:  # rows of a file: each member needs the same ones
            raise NotStackable("nothing is drawn")
        batch = map_batch(lambda part: part.unflatten(0, (members, rows)), batch)
        return batch if used.lengths is None else _mask_padding(batch, used.lengths)


def stack(batches: Sequence[Batch]) -> Batch:
    """Stack members' batches to `(N, B, ...)`; shorter ones are padded and masked out."""
    one_each = [map_batch(lambda part: part[None], batch) for batch in batches]
    return _concatenate(one_each, [[n] for n in range(len(batches))])


def _concatenate(batches: Sequence[Batch], indices: Sequence[list[int]]) -> Batch:
    """Concatenate batches `(n, B, ...)` of the members with these indices, padded as by `stack`."""
    if batches[0].source is not None and batches[0].source_mask is None:
        batches = [
            b._replace(source_mask=torch.ones(b.source.shape[:3], dtype=torch.bool))  # type: ignore[union-attr]
            for b in batches
        ]
    return Batch._make(_pad(parts, indices) for parts in zip(*batches, strict=True))


def _mask_padding(batch: Batch, lengths: Sequence[int]) -> Batch:
    """Mask out the steps after each member's own, whose lengths may not count all its steps."""
    steps = np.array(lengths) + (batch.mask.shape[2] - max(lengths))
    real = np.arange(batch.mask.shape[2]) < steps[:, None, None]
    return batch._replace(mask=torch.from_numpy(batch.mask.numpy() & real))


def batch_in_dims(batch: Batch, *, shared: bool) -> Batch:
    """Return the `in_dims` of a batch for `vmap`."""
    return Batch._make(None if shared or part is None else 0 for part in batch)


def member_batch(batch: Batch, n: int, *, shared: bool) -> Batch:
    """Return the batch of one member."""
    return batch if shared else map_batch(lambda part: part[n], batch)


def _pad(parts: Sequence[Tensor | None], indices: Sequence[list[int]]) -> Tensor | None:
    """Concatenate `(n, B, T, ...)` along the first dimension, shorter ones padded with 0."""
    arrays = [part.numpy() for part in parts if part is not None]
    if not arrays:
        return None
    longest = max((array.shape for array in arrays), key=lambda shape: shape[2:3])
    padded = np.zeros((sum(map(len, indices)), *longest[1:]), dtype=arrays[0].dtype)
    for array, members in zip(arrays, indices, strict=True):
        region: Any = (members, *map(slice, array.shape[1:]))
        padded[region] = array
    return torch.from_numpy(padded)
