"""Declares that objects of a class can be trained as members of one batched model."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

ReasonAlone = Callable[[Mapping[str, Any]], str | None]
"""Settings of an object -> why it must be trained alone, or `None` if it need not."""

T = TypeVar("T", bound=Callable[..., Any])


@dataclass(frozen=True)
class Stackable:
    """What a class declares by `@stackable`.

    Attributes:
        initial: settings of the initial weights alone, in which members may differ.
        alone: returns why an object with some settings must be trained alone, or `None`.
        carries: whether a task's batches may go on from each other.
    """

    initial: frozenset[str]
    alone: ReasonAlone
    carries: bool


def stackable(
    *,
    initial: Iterable[str] = (),
    alone: ReasonAlone = lambda _: None,
    carries: bool = False,
) -> Callable[[T], T]:
    """Declare that objects of a class, or of a function that makes them, can be stacked.

    The weights of N members are then stacked, and the code of one member runs for all of them
    under `torch.func.vmap`. So it may only do arithmetic on tensors: no random numbers but those of
    `nn.Dropout` and `Model.draw`, no control flow that depends on values. A subclass must declare
    it for itself; objects of a class without a declaration are trained alone.

    Args:
        initial: settings that the constructor reads to initialise weights, and nothing else.
        alone: returns, for the settings of an object, why it must be trained alone: a predicate
            whose subject is the object, such as "reads a camera".
        carries: whether a task's batches may go on from each other, so that each member carries its
            state; small networks alone gain by that.
    """

    def declare(kind: T) -> T:
        kind._stackable = Stackable(frozenset(initial), alone, carries)  # type: ignore[attr-defined]
        return kind

    return declare


def declared_stackable(kind: Callable[..., Any]) -> Stackable | None:
    """Return a class's own declaration, not an inherited one; `None` if it has none."""
    return vars(kind).get("_stackable")
