"""Declares that objects of a class can be trained together, as one batched model."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Alone = Callable[[Mapping[str, Any]], str | None]
"""Settings of an object -> why it must be trained alone, or `None` if it need not."""

T = TypeVar("T", bound=Callable[..., Any])


@dataclass(frozen=True)
class Grouping:
    """The declaration of a class whose objects can be trained in a group.

    Attributes:
        initial: settings of the initial weights alone, in which members may differ.
        alone: returns why an object with some settings must be trained alone, or `None`.
    """

    initial: frozenset[str]
    alone: Alone


def groups(*, initial: Iterable[str] = (), alone: Alone = lambda _: None) -> Callable[[T], T]:
    """Declare that objects of a class, or of a function that makes them, can be trained in a group.

    In a group the members' weights are stacked, and the code of one member runs for all of them
    under `torch.func.vmap`. So it may only do arithmetic on tensors: no random numbers, no control
    flow that depends on values. A subclass must declare it for itself; objects of a class without
    a declaration are trained alone.

    Args:
        initial: settings that the constructor reads to initialise weights, and nothing else.
        alone: returns, for the settings of an object, why it must be trained alone: a predicate
            whose subject is the object, such as "draws random numbers".
    """

    def declare(kind: T) -> T:
        kind._grouping = Grouping(frozenset(initial), alone)  # type: ignore[attr-defined]
        return kind

    return declare


def grouping(kind: Callable[..., Any]) -> Grouping | None:
    """Return a class's own declaration, not an inherited one; `None` if it has none."""
    return vars(kind).get("_grouping")
