"""The batches of N members side by side, each from its member's own random stream."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnlab.ensemble.streams import SplitError, Streams, UnlikeError
from rnnlab.experiment.data import Data
from rnnlab.experiment.experiment import Experiment
from rnnlab.random_streams import generators
from rnnlab.spec import Batch, Split, map_batch


class Batches:
    """Makes the batches of all members; those of members with one seed are made once.

    Members' settings of task and data are the same but for the seed. Members may draw different
    lengths: shorter sequences are padded, with the mask False there, which changes nothing.

    Args:
        experiments: the members.

    Attributes:
        shared: whether all members have one seed, so that batches are `(B, ...)`, without N.
    """

    def __init__(self, experiments: Sequence[Experiment]) -> None:
        by_seed = {experiment.task.seed: experiment for experiment in experiments}
        places = {seed: place for place, seed in enumerate(by_seed)}
        self._places = [places[experiment.task.seed] for experiment in experiments]
        self._makers = list(by_seed.values())
        self._lead = self._makers[0]
        self._data = copy(self._lead.data)  # the same but for where its numbers come from
        self._data.task = copy(self._data.task)
        self.shared = len(places) == 1
        # Rows of a finite set are picked by a seed of its own; some tasks are made by theirs.
        unlike = len({experiment.task.fingerprint() for experiment in self._makers}) > 1
        self._alone = unlike or self._lead.data.train_size is not None

    def train(self, index: int) -> Batch:
        """Make training batch `index`."""
        index = 0 if self._lead.training.overfit else index
        return self._make(self._lead.data.batch_size, lambda data, _: data.train(index))

    def held_out(self, split: Split) -> list[tuple[int, int]]:
        """Give (index, batch_size) of each held-out batch."""
        data = self._lead.data
        return [(0, data.batch_size)] if self._lead.training.overfit else data.held_out(split)

    def sample(self, split: Split, index: int, batch_size: int) -> Batch:
        """Make a held-out batch; under `overfit` the one that is learnt."""
        if self._lead.training.overfit:
            return self.train(0)
        return self._make(batch_size, lambda data, rows: data.task.sample(split, index, rows))

    def _make(self, rows: int, make: Callable[[Data, int], Batch]) -> Batch:
        """Make the batches of all, at once if that can be."""
        if self.shared:
            return make(self._lead.data, rows)
        made = self._make_at_once(rows, make)
        if made is None:
            made = stack([make(m.data, rows) for m in self._makers])
        if len(self._makers) == len(self._places):
            return made
        return map_batch(lambda part: part[self._places], made)

    def _make_at_once(self, rows: int, make: Callable[[Data, int], Batch]) -> Batch | None:
        """Make them as one of all members' rows, from all their random streams."""
        if self._alone:
            return None
        try:
            try:
                return self._make_from(None, rows, make)
            except SplitError as split:
                parts = split.parts
            made = [self._make_from(streams, rows, make) for _, streams in parts]
        except UnlikeError:
            self._alone = True
            return None
        return _side_by_side(made, [places for places, _ in parts])

    def _make_from(
        self, given: Streams | None, rows: int, make: Callable[[Data, int], Batch]
    ) -> Batch:
        """Make the batches `(n, B, ...)` of the members whose streams are given; `None` of all."""
        streams = given

        def begin(split: Split, index: int) -> Any:
            nonlocal streams
            if given is None:
                drawn = generators([maker.task.seed for maker in self._makers], split, index)
                streams = Streams(drawn, rows, pads=data.task.causal)
            return streams

        members = len(self._makers) if given is None else len(given)
        data = self._data
        data.batch_size = members * rows
        data.task.rng = begin  # type: ignore[method-assign]
        made = make(data, data.batch_size)
        if streams is None:  # of data that are there, that is a share of them for each
            raise UnlikeError("nothing is drawn")
        made = map_batch(lambda part: part.unflatten(0, (members, rows)), made)
        return made if streams.lengths is None else _cut(made, streams.lengths)


def stack(batches: Sequence[Batch]) -> Batch:
    """Put batches side by side, `(N, B, ...)`; shorter ones are padded and masked out."""
    groups = [map_batch(lambda part: part[None], batch) for batch in batches]
    return _side_by_side(groups, [[place] for place in range(len(groups))])


def _side_by_side(groups: Sequence[Batch], places: Sequence[list[int]]) -> Batch:
    """Join batches of several members `(n, B, ...)`, whose places are given, as `stack` does."""
    if groups[0].source is not None and groups[0].source_mask is None:
        groups = [
            b._replace(source_mask=torch.ones(b.source.shape[:3], dtype=torch.bool))  # type: ignore[union-attr]
            for b in groups
        ]
    return Batch._make(_join(parts, places) for parts in zip(*groups, strict=True))


def _cut(batch: Batch, lengths: Sequence[int]) -> Batch:
    """Mask what was laid out for the longest in the batches of others."""
    own = np.array(lengths) + (batch.mask.shape[2] - max(lengths))
    there = np.arange(batch.mask.shape[2]) < own[:, None, None]
    return batch._replace(mask=torch.from_numpy(batch.mask.numpy() & there))


def batched(batch: Batch, *, shared: bool) -> Batch:
    """Give the `in_dims` of a batch for `vmap`."""
    return Batch._make(None if shared or part is None else 0 for part in batch)


def member(batch: Batch, n: int, *, shared: bool) -> Batch:
    """Give one member's batch."""
    return batch if shared else map_batch(lambda part: part[n], batch)


def answered_steps(batch: Batch) -> list[int] | None:
    """Give the steps at which any sequence of any member is answered; `None` if at all."""
    steps = batch.mask.flatten(0, -2).numpy().any(axis=0)  # torch is slow along this axis
    return None if steps.all() else np.flatnonzero(steps).tolist()


def pick(batch: Batch, steps: Sequence[int] | None) -> Batch:
    """Keep what is right at some steps only; what is read stays whole."""
    if steps is None:
        return batch
    dim = batch.mask.dim() - 1
    length = len(steps)
    run = length > 0 and steps[-1] - steps[0] == length - 1

    def at_steps(part: Tensor) -> Tensor:
        if run:
            return part.narrow(dim, steps[0], length)
        return part.index_select(dim, torch.tensor(steps, dtype=torch.int64))

    target_mask = None if batch.target_mask is None else at_steps(batch.target_mask)
    return batch._replace(
        target=at_steps(batch.target), mask=at_steps(batch.mask), target_mask=target_mask
    )


def _join(parts: Sequence[Tensor | None], places: Sequence[list[int]]) -> Tensor | None:
    """Join `(n, B, T, ...)` along the first axis, the shorter ones padded at the end."""
    there = [part.numpy() for part in parts if part is not None]
    if not there:
        return None
    longest = max((part.shape for part in there), key=lambda shape: shape[2:3])
    joined = np.zeros((sum(map(len, places)), *longest[1:]), dtype=there[0].dtype)
    for part, rows in zip(there, places, strict=True):
        region: Any = (rows, *map(slice, part.shape[1:]))
        joined[region] = part
    return torch.from_numpy(joined)
