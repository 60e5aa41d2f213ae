"""States are trees: a tensor, or a (named) tuple of states. These few functions walk them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

State = Any
"""A tensor `(B, ...)` or a tuple or NamedTuple of states."""


def map_state(function: Callable[..., Tensor], *states: State) -> State:
    """Apply `function` to the corresponding tensors of trees of one shape."""
    head = states[0]
    if isinstance(head, Tensor):
        return function(*states)
    parts = [map_state(function, *parts) for parts in zip(*states, strict=True)]
    return type(head)(*parts) if hasattr(head, "_fields") else tuple(parts)


def leaves(state: State) -> list[Tensor]:
    """All tensors of the tree, left to right."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for part in state for leaf in leaves(part)]


def like(state: State, tensors: list[Tensor]) -> State:
    """Build a tree of the shape of `state` from `tensors`, the inverse of `leaves`."""
    remaining = iter(tensors)
    return map_state(lambda _: next(remaining), state)


def structure(state: State) -> object:
    """Give what two states must share for one to stand for the other: types, and sizes but B."""
    if isinstance(state, Tensor):
        return state.shape[1:]
    return (type(state), *(structure(part) for part in state))


def where(condition: Tensor, yes: State, no: State) -> State:
    """Row by row, `yes` where `condition` `(B,)` is True, else `no`."""
    return map_state(
        lambda a, b: torch.where(condition.view(-1, *([1] * (a.dim() - 1))), a, b), yes, no
    )


def detach(state: State) -> State:
    """Cut the state from the graph that made it."""
    return map_state(Tensor.detach, state)


def flatten(state: State) -> Tensor:
    """All numbers of each row's state side by side, `(B, size)`."""
    return torch.cat([leaf.flatten(1) for leaf in leaves(state)], dim=1)


def unflatten(flat: Tensor, template: State) -> State:
    """Cut `(B, size)` into a tree of the shape of `template`, the inverse of `flatten`."""
    shapes = [leaf.shape[1:] for leaf in leaves(template)]
    parts = flat.split([shape.numel() for shape in shapes], dim=1)
    return like(
        template,
        [part.reshape(len(flat), *shape) for part, shape in zip(parts, shapes, strict=True)],
    )
