"""CUDA graphs of an update, which launch its hundred kernels at once."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Tensors = Sequence[Tensor | None]

_WARM_UP = 2  # calls with tensors of a shape before their graph: what is made once is made there
_MOST = 8  # graphs, each with the memory of an update


class Graphs:
    """Calls of a function of tensors, recorded once for each shape of these and then replayed.

    What a function reads or changes besides its tensors must stay in the same memory, and what it
    computes must depend on nothing else. One that can't be recorded is called each time.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._recorded: dict[str, _Recorded | None] = {}

    def __call__(
        self, function: Callable[[Tensors], Tensors], tensors: Tensors, variant: object = None
    ) -> Tensors:
        """Return what `function(tensors)` returns, in memory that the next call may overwrite.

        Args:
            function: the same in all calls of a variant.
            tensors: on a GPU.
            variant: tells calls apart, by its `repr`, that differ in more than shapes.
        """
        shapes = [None if part is None else (part.shape, part.dtype) for part in tensors]
        key = repr((shapes, variant))
        if key not in self._recorded:
            self._seen[key] += 1
            if self._seen[key] <= _WARM_UP or len(self._recorded) == _MOST:
                return function(tensors)
            self._recorded[key] = record(function, tensors)
        recorded = self._recorded[key]
        if recorded is None:
            return function(tensors)
        for own, new in zip(recorded.tensors, tensors, strict=True):
            if own is not None and new is not None:
                own.copy_(new, non_blocking=True)
        recorded.replay()
        return recorded.outputs


class _Recorded(NamedTuple):
    """A recorded call: what computes it again, the tensors that it reads, and those it writes."""

    replay: Callable[[], None]
    tensors: Tensors
    outputs: Tensors


def record(function: Callable[[Tensors], Tensors], tensors: Tensors) -> _Recorded | None:
    """Record a call, or return `None` if something in it waits for the device."""
    own = [None if part is None else part.clone() for part in tensors]
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # a feed pins memory
            outputs = function(own)
    except RuntimeError:
        torch.cuda.synchronize()
        return None
    return _Recorded(graph.replay, own, outputs)
