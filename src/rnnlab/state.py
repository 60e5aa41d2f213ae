"""Functions over states, which are trees: a tensor, or a (named) tuple of states."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

State = Any
"""A tensor `(B, ...)` or a tuple or NamedTuple of states."""


def map_state(function: Callable[..., Tensor], *states: State) -> State:
    """Apply `function` to the corresponding tensors of trees with the same structure."""
    head = states[0]
    if isinstance(head, Tensor):
        return function(*states)
    parts = [map_state(function, *parts) for parts in zip(*states, strict=True)]
    return type(head)(*parts) if hasattr(head, "_fields") else tuple(parts)


def leaves(state: State) -> list[Tensor]:
    """Return all tensors of the tree, left to right."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for part in state for leaf in leaves(part)]


def like(state: State, tensors: list[Tensor]) -> State:
    """Build a tree with the structure of `state` from `tensors`, the inverse of `leaves`."""
    remaining = iter(tensors)
    return map_state(lambda _: next(remaining), state)


def structure(state: State) -> object:
    """Return the types of a state's tuples and the sizes of its tensors without B, to compare."""
    if isinstance(state, Tensor):
        return state.shape[1:]
    return (type(state), *(structure(part) for part in state))


def where(condition: Tensor, yes: State, no: State) -> State:
    """Select rows: those of `yes` where `condition` `(B,)` is True, else those of `no`."""
    return map_state(
        lambda a, b: torch.where(condition.view(-1, *([1] * (a.dim() - 1))), a, b), yes, no
    )


def detach(state: State) -> State:
    """Detach every tensor of a state from the autograd graph."""
    return map_state(Tensor.detach, state)


def flatten(state: State) -> Tensor:
    """Concatenate all tensors of a state to `(B, size)`."""
    return torch.cat([leaf.flatten(1) for leaf in leaves(state)], dim=1)


def unflatten(flat: Tensor, template: State) -> State:
    """Split `(B, size)` into a tree with the structure of `template`, the inverse of `flatten`."""
    shapes = [leaf.shape[1:] for leaf in leaves(template)]
    parts = flat.split([shape.numel() for shape in shapes], dim=1)
    return like(
        template,
        [part.reshape(flat.shape[0], *shape) for part, shape in zip(parts, shapes, strict=True)],
    )
