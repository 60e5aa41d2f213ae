"""The training batches of a group, on the device that it trains on."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rnnlab.ensemble.batches import Batches, Part
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.answers import answered_steps
from rnnlab.spec import map_batch

_MOST_WORKERS = 16
_AHEAD = 2  # batches that each worker draws ahead
_SMALL = (torch.uint8, torch.int16, torch.int32)  # types of ids on their way to a device


class Fed(NamedTuple):
    """A part of an update's batch.

    Attributes:
        part: on the device.
        answered: the steps at which any member answers, or `None` if all are.
    """

    part: Part
    answered: list[int] | None


class Feed:
    """Makes the batches of one update after the other.

    For a GPU other processes draw them ahead, since thousands of members draw for longer than a GPU
    computes.

    Args:
        experiments: those of the members.
        device: where they train.
        total: the number of all updates.
        unpadded: whether members with sequences of other lengths are other parts.

    Attributes:
        shared: as in `Batches`.
    """

    def __init__(
        self,
        experiments: Sequence[Experiment],
        device: torch.device,
        total: int,
        *,
        unpadded: bool,
    ) -> None:
        self._batches = Batches(experiments)
        self._drawn = _Drawn(self._batches, total, unpadded=unpadded, small=device.type != "cpu")
        self._device = device
        self._members = list(range(len(experiments)))
        self._next: tuple[int, Iterator[list[Fed]]] | None = None
        self.shared = self._batches.shared

    def __call__(self, step: int) -> list[Fed]:
        """Return the parts of the batch of an update."""
        if self._device.type == "cpu":
            return self._drawn[step]
        expected, parts = self._next or (-1, iter(()))
        if step != expected:
            parts = iter(self._loader(step))
        self._next = step + 1, parts
        return [self._on_device(fed) for fed in next(parts)]

    def keeps(self, members: Sequence[int]) -> bool:
        """Go on for these members only; `False` if a new feed would be better."""
        self._members = [self._members[n] for n in members]
        whole = self._batches.shared or len(self._members) == self._drawn.members
        many = len(self._members) > self._drawn.members / 2
        return whole or (self._device.type != "cpu" and many)

    def _loader(self, step: int) -> Any:
        workers = max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) - 1))
        return DataLoader(
            self._drawn,
            batch_size=None,
            sampler=range(step, len(self._drawn)),
            num_workers=workers,
            prefetch_factor=_AHEAD,
            pin_memory=True,
        )

    def _on_device(self, fed: Fed) -> Fed:
        batch = map_batch(self._moved, fed.part.batch)
        if not self.shared and len(self._members) < self._drawn.members:
            batch = map_batch(lambda part: part[self._members], batch)
        return fed._replace(part=fed.part._replace(batch=batch))

    def _moved(self, part: Tensor) -> Tensor:
        moved = part.to(self._device, non_blocking=True)
        return moved.long() if moved.dtype in _SMALL else moved


class _Drawn(Dataset[list[Fed]]):
    """The batches of all updates, by their number.

    Args:
        batches: draw them.
        total: how many updates there are.
        unpadded: see `Feed`.
        small: whether to make ids as small as they are to be moved.
    """

    def __init__(self, batches: Batches, total: int, *, unpadded: bool, small: bool) -> None:
        self._batches, self._total = batches, total
        self._unpadded, self._small = unpadded, small
        self.members = batches.members

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, step: int) -> list[Fed]:
        if self._unpadded:
            parts = self._batches.train_unpadded(step)
        else:
            parts = [Part(None, self._batches.train(step))]
        fed = [Fed(part, answered_steps(part.batch)) for part in parts]
        if not self._small:
            return fed
        return [
            one._replace(part=one.part._replace(batch=map_batch(_small, one.part.batch)))
            for one in fed
        ]


def _small(part: Tensor) -> Tensor:
    """Return ids with the smallest type that holds them."""
    if part.dtype != torch.int64 or not part.numel():
        return part
    low, high = (int(bound) for bound in part.aminmax())
    for kind in _SMALL:
        info = torch.iinfo(kind)
        if info.min <= low and high <= info.max:
            return part.to(kind)
    return part
