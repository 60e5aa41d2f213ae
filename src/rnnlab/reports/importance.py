"""How much each swept setting matters to the scores."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.groups import is_numeric, sort_key, values_of
from rnnlab.reports.table import SettingValue

_CLASSES = 5  # of a number that has more values
_FEWEST = 10  # runs of which importance is computed


class Importance(NamedTuple):
    """How much of the scores a setting explains.

    Attributes:
        key: the setting.
        share: explained share of the variance of the ranks, 0 to 1.
        classes: number of values, or of classes of values, that were told apart.
    """

    key: str
    share: float
    classes: int


def importances(aggregate: Aggregate) -> list[Importance]:
    """Return the settings with what each explains alone, the most important first.

    It is the effect size of the test of Kruskal and Wallis (1952), (H - k + 1) / (n - k) (Tomczak
    and Tomczak 2014): the share of the variance of the runs' ranks that is between k classes of the
    setting, without what chance puts there. Runs are ranked within their task, a failed one last.
    A number with more than 5 values has 5 classes of equal size. Settings whose effect depends on
    each other, and in none alone, are not found so.

    Empty for fewer than ten runs, or fewer than two settings besides the task.
    """
    keys = [key for key in aggregate.keys if key != "task"]
    worst = np.inf if aggregate.lower_is_better else -np.inf
    runs = [
        (group, group.tasks.get(seed), group.values.get(seed, worst))
        for group in aggregate.groups
        for seed in (*group.values, *group.failures)
    ]
    if len(runs) < _FEWEST or len(keys) < 2:
        return []
    ranks = np.empty(len(runs))
    tasks = np.array([str(task) for _, task, _ in runs])
    scores = np.array([score for *_, score in runs])
    for task in set(tasks.tolist()):
        here = tasks == task
        ranks[here] = (rank(scores[here]) - 0.5) / here.sum()
    found = []
    for key in keys:
        values = [group.settings[key] for group, *_ in runs]
        numeric = is_numeric(aggregate.groups, key)
        many = len(values_of(aggregate.groups, key)) > _CLASSES
        classes = _quantiles(values) if numeric and many else _levels(values)
        if 1 < len(set(classes.tolist())) < len(runs):
            found.append(Importance(key, explained(ranks, classes), len(set(classes.tolist()))))
    return sorted(found, key=lambda each: -each.share)


def explained(ranks: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Return the share of variance between classes, 0 where chance alone would give more.

    Args:
        ranks: `(n,)`.
        classes: `(n,)`, the class of each.
    """
    total = np.var(ranks) * len(ranks)
    if not total:
        return 0.0
    within = sum(
        np.var(ranks[classes == each]) * np.sum(classes == each) for each in set(classes.tolist())
    )
    freedom = len(ranks) - len(set(classes.tolist()))
    return max(0.0, float(1 - within / freedom / (total / (len(ranks) - 1))))


def rank(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks, from 1; equal scores share the mean of theirs."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def _levels(values: Sequence[SettingValue]) -> NDArray[np.int64]:
    names = sorted(set(values), key=sort_key)
    return np.array([names.index(value) for value in values])


def _quantiles(values: Sequence[SettingValue]) -> NDArray[np.int64]:
    """Put numbers into classes of equal size, equal numbers into one."""
    ranks = rank(np.array(values, dtype=float))
    return np.ceil(ranks * _CLASSES / len(ranks)).astype(np.int64)
