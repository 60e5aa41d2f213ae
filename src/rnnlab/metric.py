"""Names of metrics, and comparison of scores. Imports neither torch nor numpy."""

import math
from typing import Literal

Mode = Literal["min", "max"]
"""Whether lower or higher values of a metric are better."""


def base_name(metric: str) -> str:
    """Return a metric's name without split and `free_`: `val/free_loss` -> `loss`."""
    return metric.rpartition("/")[2].removeprefix("free_")


def monitored_scores(monitor: str) -> list[str]:
    """List the test scores of a monitored metric, with and without feedback of the answers.

    The free-running one comes first; a model that reads no answers has the other one alone.
    """
    return [f"test/{prefix}{base_name(monitor)}" for prefix in ("free_", "")]


def is_better(score: float, best: float | None, mode: Mode) -> bool:
    """Whether a score beats the best so far; NaN is worse than any number, None than NaN."""
    if best is None or math.isnan(best):
        return best is None or not math.isnan(score)
    return score < best if mode == "min" else score > best
