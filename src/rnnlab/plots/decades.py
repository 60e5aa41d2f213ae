"""When an axis is logarithmic."""

from collections.abc import Sequence

_FACTOR = 20.0  # largest over smallest number


def spans_decades(values: Sequence[float], factor: float = _FACTOR) -> bool:
    """Whether all values are positive, and the largest is `factor` times the smallest or more."""
    return bool(values) and min(values) > 0 and max(values) / min(values) >= factor


def is_logarithmic(scores: Sequence[float], *, lower_is_better: bool) -> bool:
    """Whether scores are drawn as their logarithms: where lower is better, and they are wide."""
    return lower_is_better and spans_decades(scores)
