"""Whether the batches of a task are what its spec says."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.spec import Batch, Port, Tokens
from rnnlab.tasks.base import Task


class _Wrong(Exception):
    """A part of a batch is not what the spec says."""


def checked(task: Task, batch: Batch) -> Batch:
    """Return a batch of a task that is what the task's spec says.

    Not every model would refuse another: a one-hot vector of an unknown id is all zeros.

    Raises:
        ConfigError: a part has another type or shape, or an id is out of range.
    """
    try:
        _check(task, batch)
    except _Wrong as error:
        raise ConfigError(f"{type(task).__name__} gave a wrong batch: {error}") from None
    return batch


def _check(task: Task, batch: Batch) -> None:
    spec, steps = task.spec, batch.mask.shape
    _check_part("mask", batch.mask, torch.bool, steps[:2])
    _check_port("input", batch.input, spec.input, steps)
    if spec.target is not None:
        _check_port("target", batch.target, spec.target, steps, batch.mask)
        if batch.target_mask is not None:
            shape = (*steps, spec.target.size)
            _check_part("target_mask", batch.target_mask, torch.bool, shape)
    if spec.initial is not None and batch.initial is not None:
        _check_port("initial", batch.initial, spec.initial, steps[:1])
    if spec.source is not None and batch.source is not None:
        read = (*steps[:1], *batch.source.shape[1:2])
        _check_port("source", batch.source, spec.source, read)
        if batch.source_mask is not None:
            _check_part("source_mask", batch.source_mask, torch.bool, read)


def _check_port(
    name: str, part: Tensor, port: Port, shape: Sequence[int], counts: Tensor | None = None
) -> None:
    """Check vectors, or ids where `counts` is True."""
    if not isinstance(port, Tokens):
        _check_part(name, part, torch.float32, (*shape, port.size))
        return
    _check_part(name, part, torch.int64, shape)
    _check_ids(name, part, port, counts)


def _check_ids(name: str, ids: Tensor, port: Tokens, counts: Tensor | None) -> None:
    if not ids.numel():
        return
    least, most = (int(bound) for bound in ids.aminmax())
    if least >= 0 and most < port.vocab_size:
        return
    if counts is not None:
        _check_ids(name, ids[counts], port, None)
        return
    got = least if least < 0 else most
    raise _Wrong(f"{name} must be ids from 0 to {port.vocab_size - 1}, got {got}")


def _check_part(name: str, part: Tensor, dtype: torch.dtype, shape: Sequence[int]) -> None:
    if part.dtype != dtype or part.shape != shape:
        wanted, got = (
            f"{kind} of shape {tuple(size)}"
            for kind, size in ((dtype, shape), (part.dtype, part.shape))
        )
        raise _Wrong(f"{name} must be {wanted}, got {got}")
