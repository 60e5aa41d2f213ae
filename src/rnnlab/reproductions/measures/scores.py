"""Scores of a run that `results.json` doesn't have."""

import math
from typing import Literal

from rnnlab.inference.evaluate import evaluate
from rnnlab.ranges import PositiveInt, Real
from rnnlab.runs.run import Run


def score_at(
    run: Run, *, metric: str, words: list[str], split: Literal["train", "val", "test"]
) -> float:
    """Score the last weights with other settings of the task, such as longer sequences.

    Args:
        run: the run.
        metric: name of the metric.
        words: overrides, such as `task.length=100`.
        split: what is scored.
    """
    experiment = run.open(words, "last")
    scores = evaluate(experiment.model, experiment.task, experiment.batches(split)).compute()
    return scores[metric]


def score_of_third(run: Run, *, metric: str, third: Literal["shortest", "longest"]) -> float:
    """Score the third of the test sequences that is shortest or longest.

    Args:
        run: the run.
        metric: such as `exact_match`, of which results have a breakdown `exact_match_by_length`.
        third: which one.
    """
    scores = run.results["breakdown"][f"{metric}_by_length"]
    counts = run.results["breakdown"]["sequences_by_length"]
    wanted = rest = sum(counts.values()) / 3
    total = 0.0
    for length in sorted(counts, key=int, reverse=third == "longest"):
        taken = min(counts[length], rest)
        total += taken * scores[length]
        rest -= taken
    return total / wanted


def longest_right(run: Run, *, metric: str, most: PositiveInt) -> float:
    """Return the largest length, up to `most`, to which one test sequence of each is right.

    Args:
        run: the run.
        metric: it is 1 where a sequence is right, such as `exact_match`.
        most: largest length that is tried.
    """
    experiment = run.open([], "last")
    for length in range(1, most + 1):
        batch = experiment.task.sample("test", 0, 1, length=length)
        if evaluate(experiment.model, experiment.task, [batch]).compute()[metric] < 1:
            return length - 1
    return most


def root(run: Run, *, metric: str) -> float:
    """Return the root of a squared error on test.

    Args:
        run: the run.
        metric: such as `loss`.
    """
    return math.sqrt(run.results["test"][metric])


def updates_until(run: Run, *, metric: str, at_least: Real) -> float:
    """Return the update of the first validation with such a score, NaN where there is none.

    Args:
        run: the run.
        metric: of its learning curve, such as `val/exact_match`.
        at_least: the score.
    """
    reached = (row["step"] for row in run.rows if row.get(metric, -math.inf) >= at_least)
    return next(reached, math.nan)
