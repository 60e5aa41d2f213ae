"""The batches of N members side by side, each from its member's own random stream."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rnnlab.experiment import Experiment
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
        self._by_seed = {experiment.task.seed: experiment for experiment in experiments}
        places = {seed: place for place, seed in enumerate(self._by_seed)}
        self._places = [places[experiment.task.seed] for experiment in experiments]
        self.shared = len(places) == 1

    def train(self, index: int) -> Batch:
        """Make training batch `index`."""
        makers = self._by_seed.values()
        return self._spread([m.data.train(0 if m.training.overfit else index) for m in makers])

    def held_out(self, split: Split) -> list[tuple[int, int]]:
        """Give (index, batch_size) of each held-out batch."""
        one = next(iter(self._by_seed.values()))
        return [(0, one.cfg.data.batch_size)] if one.training.overfit else one.data.held_out(split)

    def sample(self, split: Split, index: int, batch_size: int) -> Batch:
        """Make a held-out batch; under `overfit` the one that is learnt."""
        makers = self._by_seed.values()
        return self._spread(
            [
                m.data.train(0) if m.training.overfit else m.task.sample(split, index, batch_size)
                for m in makers
            ]
        )

    def _spread(self, batches: list[Batch]) -> Batch:
        if self.shared:
            return batches[0]
        return stack(batches if len(batches) == len(self._places) else self._repeat(batches))

    def _repeat(self, batches: list[Batch]) -> list[Batch]:
        return [batches[place] for place in self._places]


def stack(batches: Sequence[Batch]) -> Batch:
    """Put batches side by side, `(N, B, ...)`; shorter ones are padded and masked out."""
    if batches[0].source is not None and batches[0].source_mask is None:
        batches = [
            b._replace(source_mask=torch.ones(b.source.shape[:2], dtype=torch.bool))  # type: ignore[union-attr]
            for b in batches
        ]
    return Batch._make(_stack(parts) for parts in zip(*batches, strict=True))


def member(batch: Batch, n: int, *, shared: bool) -> Batch:
    """Give one member's batch."""
    return batch if shared else map_batch(lambda part: part[n], batch)


def answered_steps(batch: Batch) -> list[int] | None:
    """Give the steps at which any sequence of any member is answered; `None` if at all."""
    steps = batch.mask.flatten(0, -2).any(dim=0)
    return None if steps.all() else steps.nonzero().flatten().tolist()


def pick(batch: Batch, steps: Sequence[int] | None) -> Batch:
    """Keep what is right at some steps only; what is read stays whole."""
    if steps is None:
        return batch
    dim = batch.mask.dim() - 1
    index = torch.tensor(steps)

    def at_steps(part: Tensor | None) -> Tensor | None:
        return None if part is None else part.index_select(dim, index)

    return batch._replace(
        target=batch.target.index_select(dim, index),
        mask=batch.mask.index_select(dim, index),
        target_mask=at_steps(batch.target_mask),
    )


def _stack(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Stack `(B, T, ...)`, the shorter ones padded at the end."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    if there[0].dim() > 1:
        longest = max(part.shape[1] for part in there)
        there = [
            part
            if part.shape[1] == longest
            else F.pad(part, (0, 0) * (part.dim() - 2) + (0, longest - part.shape[1]))
            for part in there
        ]
    return torch.stack(there)
