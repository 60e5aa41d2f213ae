"""Comparing each group with the best of those that differ from it in one setting, seed by seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rnnlab.reports.groups import RunGroup
from rnnlab.reports.significance import Evidence, compare_pairs
from rnnlab.reports.table import SettingValue


@dataclass(frozen=True)
class Comparison:
    """A group compared with the best of its neighbours, paired by seed.

    Attributes:
        group: the group.
        best: the group with the best mean among those that differ from it in one setting alone.
        evidence: of `group` against `best`, over the seeds that both have.
    """

    group: RunGroup
    best: RunGroup
    evidence: Evidence


def compare_neighbours(
    groups: Sequence[RunGroup], keys: Sequence[str], x: str | None, *, lower_is_better: bool
) -> list[Comparison]:
    """Compare each group with the best of those that differ from it in one setting alone.

    That setting is not `x` if others are swept too. Runs of different tasks are not compared.

    Args:
        groups: the groups.
        keys: the settings in which they differ.
        x: the numeric setting on the x axis, or `None`.
        lower_is_better: whether lower values are better.
    """
    free = [key for key in keys if key != x] or keys
    # Groups are in one block of a key if they differ in nothing else.
    block_of = {
        (n, key): (key, tuple(v for k, v in group.settings.items() if k != key))
        for n, group in enumerate(groups)
        for key in free
    }
    blocks: dict[tuple[str, tuple[SettingValue, ...]], list[int]] = {}
    for (n, _), block in block_of.items():
        blocks.setdefault(block, []).append(n)
    comparisons = []
    xs = [group.settings.get(x) if x else None for group in groups]
    for n in sorted(range(len(xs)), key=lambda n: xs.index(xs[n])):
        group = groups[n]
        neighbours = sorted({other for key in free for other in blocks[block_of[n, key]]})
        others = [groups[other] for other in neighbours if other != n]
        others = [other for other in others if _same_task(group, other)]
        comparisons += _compare(group, others, lower_is_better=lower_is_better)
    return comparisons


def _compare(
    group: RunGroup, others: Sequence[RunGroup], *, lower_is_better: bool
) -> list[Comparison]:
    """Compare a group with the best of all, unless it is that or they share too few seeds."""
    scored = [other for other in (group, *others) if other.values]
    if not scored:
        return []
    best = (min if lower_is_better else max)(scored, key=lambda group: group.summary.mean)
    if best is group:
        return []
    scores = [
        (group.values.get(seed, math.nan), best.values.get(seed, math.nan))
        for seed in (*group.values, *group.failures)
        if seed in best.values or seed in best.failures
    ]
    found = compare_pairs(scores, group.interval, lower_is_better=lower_is_better)
    enough = sum(found.signs[:2]) > 1 or found.difference.size > 1
    return [Comparison(group, best, found)] if enough else []


def _same_task(group: RunGroup, other: RunGroup) -> bool:
    shared = group.tasks.keys() & other.tasks.keys()
    return all(group.tasks[seed] == other.tasks[seed] for seed in shared)
