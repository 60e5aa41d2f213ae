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


FINAL = "with_best_weights/"
"""Prefix of final scores among TensorBoard's scalars, whose groups are in alphabetical order.

A score of one step is a chart of one dot: those come behind the curves, `time/` to `watch/`.
"""
_WORDS = {
    "bits_per_char": "bits per character",
    "bleu": "BLEU",
    "chrf": "chrF",
    "cpu_seconds": "processor seconds",
    "nmse": "NMSE",
    "nrmse": "NRMSE",
    "seconds": "seconds of training",
    "steps": "updates",
    "best_step": "best update",
}
_SPLITS = {"train": "training ", "val": "validation ", "test": ""}


def words(metric: str) -> str:
    """Return a metric's name in words, as pictures and tables have it.

    >>> words("test/free_bits_per_char"), words("val/exact_match")
    ('bits per character, running free', 'validation exact match')
    """
    name = base_name(metric)
    plain = _WORDS.get(name, name.replace("_", " "))
    split = _SPLITS.get(metric.rpartition("/")[0], "")
    free = metric.rpartition("/")[2].startswith("free_")
    return f"{split}{plain}, running free" if free else f"{split}{plain}"
