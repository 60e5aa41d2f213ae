"""CUDA graphs of a group's update, which launch its hundred kernels at once."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rnnlab.ensemble.feed import Fed
from rnnlab.spec import Batch, map_batch

Update = Callable[[Fed], tuple[Tensor, Tensor]]
"""Updates all members in place; returns their losses and the norms of their gradients, `(N,)`."""

_WARM_UP = 2  # updates of a shape before its graph: what is made once is made there
_MOST = 8  # graphs, each with the memory of an update


class Graphs:
    """Updates that are recorded once for each shape of a batch, and then replayed.

    What an update reads besides the batch must stay in the same memory. An update that can't be
    recorded goes on without.

    Args:
        update: the update.
    """

    def __init__(self, update: Update) -> None:
        self._update = update
        self._seen: Counter[str] = Counter()
        self._recorded: dict[str, _Recorded | None] = {}

    def __call__(self, fed: Fed) -> tuple[Tensor, Tensor]:
        """Update all members."""
        shapes = [None if part is None else (part.shape, part.dtype) for part in fed.part.batch]
        key = repr((shapes, fed.answered))
        if key not in self._recorded:
            self._seen[key] += 1
            if self._seen[key] <= _WARM_UP or len(self._recorded) == _MOST:
                return self._update(fed)
            self._recorded[key] = self._record(fed)
        recorded = self._recorded[key]
        if recorded is None:
            return self._update(fed)
        for part, new in zip(recorded.batch, fed.part.batch, strict=True):
            if part is not None and new is not None:
                part.copy_(new, non_blocking=True)
        recorded.graph.replay()
        return recorded.losses.clone(), recorded.norms.clone()

    def _record(self, fed: Fed) -> "_Recorded | None":
        batch = map_batch(torch.clone, fed.part.batch)
        own = fed._replace(part=fed.part._replace(batch=batch))
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # the feed pins memory
                losses, norms = self._update(own)
        except RuntimeError:  # something in the update waits for the device
            torch.cuda.synchronize()
            return None
        return _Recorded(graph, batch, losses, norms)


class _Recorded(NamedTuple):
    """A graph, the batch that it reads, and the losses and norms that it writes."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    losses: Tensor
    norms: Tensor
