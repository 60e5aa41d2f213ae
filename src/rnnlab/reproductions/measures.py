"""Numbers of a run that `results.json` doesn't have: functions that a claim's `measure` names.

Each takes a run and, as keyword-only arguments, its settings; a function of a package that is
allowed serves as well.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from rnnlab.analysis.run import make
from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import evaluate
from rnnlab.process.output import note
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


def of_analysis(run: Run, *, analysis: str, words: list[str], number: str, factor: Real) -> float:
    """Return a number that an analysis finds, NaN where it finds nothing to measure.

    Args:
        run: the run.
        analysis: name of the analysis.
        words: overrides of its settings, such as `analysis.steps=500`.
        number: path in the numbers that it writes, such as `exponents/0`.
        factor: the number is multiplied by it, to have another unit.
    """
    made = make(analysis, words)
    try:
        found: Any = made.analyze(run.open([], "last")).numbers
    except ConfigError as error:
        note(f"{run.path}: {error}")
        return math.nan
    for part in number.split("/"):
        found = found[part] if isinstance(found, Mapping) else found[int(part)]
    return math.nan if found is None else factor * float(found)


def machine_states(run: Run, *, num_sequences: PositiveInt, max_clusters: PositiveInt) -> float:
    """Count the states of the minimal machine that a network has become.

    NaN unless the machine is right at every step of all strings that it is tested on.

    Args:
        run: the run.
        num_sequences: strings that the machine is made from.
        max_clusters: clusters of states that are tried at most.
    """
    words = [f"analysis.num_sequences={num_sequences}", f"analysis.max_clusters={max_clusters}"]
    numbers = make("automaton", words).analyze(run.open([], "last")).numbers
    right = all(test["machine_right"] == 1 for test in numbers["by_length"].values())
    return float(numbers["num_states"]) if right else math.nan


def tap_weight(run: Run, *, lag: PositiveInt) -> float:
    """Return the coefficient of a linear autoregression at a lag, from 1."""
    return _taps(run)[lag - 1]


def tap_period(run: Run) -> float:
    """Return the period of a linear autoregression with two taps, in steps.

    Yule (1927), section IV: x_t = a x_{t-1} + b x_{t-2} turns by theta a step, where
    cos(theta) = a / (2 sqrt(-b)). NaN where it doesn't oscillate.
    """
    first, second = _taps(run)
    if first**2 + 4 * second >= 0:
        return math.nan
    return 2 * math.pi / math.acos(first / (2 * math.sqrt(-second)))


def _taps(run: Run) -> list[float]:
    """Return the coefficients of a linear autoregression, of lag 1 first."""
    weights: list[float] = run.model.get_parameter("readout.weight").flatten().tolist()
    return weights


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


def count_fixed_points(run: Run, *, kind: str, words: list[str]) -> float:
    """Count the fixed points of a kind that `analysis=fixed_points` finds.

    Args:
        run: the run.
        kind: `stable`, `saddle`, `unstable` or `neutral`.
        words: overrides of the analysis.
    """
    numbers = make("fixed_points", words).analyze(run.open([], "last")).numbers
    return float(sum(p["kind"] == kind for each in numbers["maps"] for p in each["points"]))
