"""Numbers of a run that `results.json` doesn't have: functions that a claim's `measure` names.

Each takes a run and, as keyword-only arguments, its settings; a function of a package that is
allowed serves as well.
"""

import math
from typing import Any, Literal

from rnnlab.analysis.run import make
from rnnlab.inference.evaluate import evaluate
from rnnlab.ranges import PositiveInt
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


def of_analysis(run: Run, *, analysis: str, words: list[str], number: str) -> float:
    """Return a number that an analysis finds.

    Args:
        run: the run.
        analysis: name of the analysis.
        words: overrides of its settings, such as `analysis.length=100`.
        number: path in the numbers that it writes, such as `by_length/96/agreement`.
    """
    found: Any = make(analysis, words).analyze(run.open([], "last")).numbers
    for part in number.split("/"):
        found = found[part]
    return float(found)


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
