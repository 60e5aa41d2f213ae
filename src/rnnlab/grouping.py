"""What a class declares of training many of its objects as one batched model."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Alone = Callable[[Mapping[str, Any]], str | None]
"""Settings of one object -> why it must train alone, or `None` where it can share."""

T = TypeVar("T", bound=Callable[..., Any])


@dataclass(frozen=True)
class Grouping:
    """How objects of a class train in a group.

    Attributes:
        initial: settings that only say how weights begin, so that members may differ in them.
        alone: says why an object of some settings must train alone.
    """

    initial: frozenset[str]
    alone: Alone


def groups(*, initial: Iterable[str] = (), alone: Alone = lambda _: None) -> Callable[[T], T]:
    """Declare that a class, or a function that makes objects, trains in groups.

    In a group all members' weights lie in stacked tensors and one member's code runs for all of
    them under `torch.func.vmap`, so the class must do nothing but arithmetic on tensors there: no
    draw of random numbers, no control flow by values. A subclass is another class and declares for
    itself; a class that declares nothing always trains alone.

    Args:
        initial: settings that are read by the constructor alone, to begin weights with.
        alone: gives, of an object's settings, why it must train alone: a predicate whose subject
            is the object, such as "draws random numbers".
    """

    def declare(kind: T) -> T:
        kind._grouping = Grouping(frozenset(initial), alone)  # type: ignore[attr-defined]
        return kind

    return declare


def grouping(kind: Callable[..., Any]) -> Grouping | None:
    """Give what a class declares itself, not what it inherits; `None` where it declares nothing."""
    return vars(kind).get("_grouping")
