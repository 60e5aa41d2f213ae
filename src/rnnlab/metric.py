"""Names of metrics, and which of their values are better. Light to import."""

import math
from typing import Literal

Mode = Literal["min", "max"]
"""Whether a metric is best at its least or its largest value."""


def plain(metric: str) -> str:
    """Give a metric's name without its split and way of running: `val/free_loss` is `loss`."""
    return metric.rpartition("/")[2].removeprefix("free_")


def is_better(score: float, best: float | None, mode: Mode) -> bool:
    """Compare a score with the best so far; NaN is better than no score and worse than any."""
    if best is None or math.isnan(best):
        return best is None or not math.isnan(score)
    return score < best if mode == "min" else score > best
