"""Runs that differ in their seeds alone, what they have in common, and which group is better."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from rnnlab.config.suggestions import near
from rnnlab.errors import ConfigError
from rnnlab.metric import plain
from rnnlab.report.statistics import (
    Interval,
    Signs,
    Summary,
    sign_test,
    summarize,
    wilson,
)
from rnnlab.report.table import Record, Setting, Settings, Table
from rnnlab.spelling import brief, printable

T = TypeVar("T")

_COSTS = ("seconds", "cpu_seconds", "steps", "best_step", "sequences", "parameters")


@dataclass(frozen=True)
class Group:
    """Runs with the same settings, but for what is aggregated over.

    Args:
        settings: what they share.
        values: the metric of those that have it, by what is aggregated over.
        failures: the others, each with its reason.
        records: of those with values.
        reached: how many came to the target; `None` without one.
        tasks: of all runs, by what is aggregated over, where they are known.
    """

    settings: Settings
    values: Mapping[tuple[Setting, ...], float]
    failures: Mapping[tuple[Setting, ...], str]
    records: Sequence[Record]
    reached: int | None
    tasks: Mapping[tuple[Setting, ...], str]

    @property
    def total(self) -> int:
        """Count all runs."""
        return len(self.values) + len(self.failures)

    @cached_property
    def summary(self) -> Summary:
        """Aggregate the metric."""
        return summarize(list(self.values.values()))

    @property
    def rate(self) -> float:
        """Give the share of runs that came to the target; one that failed did not."""
        return math.nan if self.reached is None else self.reached / self.total

    @property
    def rate_interval(self) -> Interval:
        """Give the interval of the rate."""
        return wilson(self.reached or 0, 0 if self.reached is None else self.total)


@dataclass(frozen=True)
class Comparison:
    """A group beside the best of its neighbours, on the seeds that both have.

    Args:
        group: which.
        best: the one with the best mean of those that differ from it in one setting alone.
        difference: of the metric, over seeds on which both finished.
        signs: on how many seeds it is better or worse; failing is worse than any value.
    """

    group: Group
    best: Group
    difference: Summary
    signs: Signs


@dataclass(frozen=True)
class Analysis:
    """A table seen by one metric.

    Args:
        table: the runs.
        metric: its name.
        lower: whether lower values are better.
        target: the value to reach, if any.
        over: the settings that are aggregated over.
        x: the numeric setting against which the metric is drawn, if there is one.
        groups: the rest of the swept settings, in their order; the best first if drawn at random.
    """

    table: Table
    metric: str
    lower: bool
    target: float | None
    over: Sequence[str]
    x: str | None
    groups: Sequence[Group]

    @property
    def keys(self) -> list[str]:
        """Name the settings by which groups differ."""
        return [key for key in self.table.keys if key not in self.over]

    @cached_property
    def short(self) -> dict[str, str]:
        """Give the last part of each setting's name, where that is enough to tell it."""
        last = {key: brief(printable(re.split("[./]", key)[-1]), 40) for key in self.table.keys}
        names = list(last.values())
        alone = {key for key, name in last.items() if names.count(name) == 1}
        return {key: name if key in alone else printable(key) for key, name in last.items()}

    @property
    def is_grid(self) -> bool:
        """Tell a grid, or most of one, from settings that were drawn at random."""
        return _fills_grid(self.groups, self.keys)

    def label(self, group: Group, keys: Sequence[str] | None = None) -> str:
        """Name a group by its settings."""
        chosen = self.keys if keys is None else keys
        told = (f"{self.short[key]}={spell(group.settings[key])}" for key in chosen)
        return " ".join(told) or "all runs"

    def seed_label(self, seed: Sequence[Setting]) -> str:
        """Name what a run of a group is told by; nothing where that isn't swept."""
        told = zip(self.over, seed, strict=False)
        return " ".join(f"{self.short[k]}={spell(v)}" for k, v in told if k in self.short)

    @property
    def curve_metric(self) -> str:
        """Name what validation logged that is nearest to the metric."""
        split, _, name = self.metric.partition("/")
        return f"val/{name}" if name and split != "train" else self.table.monitor

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Compare each group with the best of those that differ from it in one setting alone.

        That is never what `x` is, where others are swept too; and runs of different tasks are not
        compared, whatever differs: their scores are of different things.
        """
        blocks: dict[tuple[str, tuple[Setting, ...]], list[int]] = {}
        free = [key for key in self.keys if key != self.x] or self.keys
        places = {
            (n, key): (key, tuple(v for k, v in group.settings.items() if k != key))
            for n, group in enumerate(self.groups)
            for key in free
        }
        for (n, _), place in places.items():
            blocks.setdefault(place, []).append(n)
        found = []
        along = [group.settings.get(self.x) if self.x else None for group in self.groups]
        for n in sorted(range(len(along)), key=lambda n: along.index(along[n])):  # by x, if so
            group = self.groups[n]
            beside = sorted({other for key in free for other in blocks[places[n, key]]})
            rivals = [self.groups[other] for other in beside if other != n]
            found += self._compare(group, [other for other in rivals if _same_task(group, other)])
        return found

    def _compare(self, group: Group, others: Sequence[Group]) -> list[Comparison]:
        scored = [other for other in (group, *others) if other.values]
        if not scored:
            return []
        best = (min if self.lower else max)(scored, key=lambda group: group.summary.mean)
        if best is group:
            return []
        pair = self._pair(group, best)
        return [pair] if sum(pair.signs[:2]) > 1 or pair.difference.size > 1 else []

    def _pair(self, group: Group, best: Group) -> Comparison:
        both = [seed for seed in group.values if seed in best.values]
        differences = [group.values[seed] - best.values[seed] for seed in both]
        gains = [-difference if self.lower else difference for difference in differences]
        return Comparison(
            group,
            best,
            summarize(differences),
            sign_test(
                better=sum(gain > 0 for gain in gains) + len(group.values & best.failures.keys()),
                worse=sum(gain < 0 for gain in gains) + len(best.values & group.failures.keys()),
            ),
        )


def analyze(
    table: Table,
    *,
    metric: str | None,
    target: float | None,
    over: Sequence[str],
    x: str | None,
) -> Analysis:
    """Group runs and aggregate a metric.

    Args:
        table: the runs.
        metric: its name; `None` is the test score of what most runs monitored, free running where
            that is scored.
        target: a value to reach, if any.
        over: settings to aggregate over.
        x: a numeric setting to draw it against; `None` is the one with the most values.

    Raises:
        ConfigError: one of them is not to be had; one line a problem.
    """
    problems = []
    names = table.metrics
    if metric is not None and metric not in names:
        takes = near(metric, names) or f": it takes {', '.join(names)}"
        problems.append(f"metric={metric} is nothing that a run here scored{takes}")
    metric = metric or _default_metric(table)
    for key in over:
        if key not in table.keys and key != "seed":
            problems.append(_unknown("over", key, table.keys))
    keys = [key for key in table.keys if key not in over]
    numeric = [key for key in keys if is_numeric(_known(table), key)]
    if x is not None and x not in numeric:
        problems.append(_unknown("x", x, numeric))
    if problems:
        raise ConfigError("\n".join(problems))
    if x is None and numeric:
        x = max(numeric, key=lambda key: len({record.settings[key] for record in _known(table)}))
    lower = _is_lower_better(metric, table)
    groups = _grouped(table, keys, over, metric, lower, target)
    if not _fills_grid(groups, keys):
        sign = 1 if lower else -1
        groups.sort(key=lambda g: sign * g.summary.mean if g.values else math.inf)
    return Analysis(table, metric, lower, target, over, x, groups)


def value_of(scores: Mapping[str, T], metric: str) -> T | None:
    """Look up a metric; a model that reads none of its answers runs free in any case."""
    return scores.get(metric, scores.get(metric.replace("/free_", "/")))


def spell(value: Setting) -> str:
    """Give a setting in a few letters: numbers in four digits, `-` for one that a run has not."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) else brief(printable(str(value)), 40)


def rank(value: Setting) -> tuple[int, float, str]:
    """Sort settings: numbers, then texts, then what is not set."""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1 + (value is None), 0.0, str(value)


def is_numeric(members: Iterable[Record | Group], key: str) -> bool:
    """Tell whether a setting is a number in all of them: null is none."""
    values = (member.settings[key] for member in members)
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _grouped(
    table: Table,
    keys: Sequence[str],
    over: Sequence[str],
    metric: str,
    lower: bool,
    target: float | None,
) -> list[Group]:
    members: dict[tuple[Setting, ...], list[Record]] = {}
    for record in _known(table):
        members.setdefault(tuple(record.settings[key] for key in keys), []).append(record)
    groups = []
    for combination in sorted(members, key=lambda values: [rank(value) for value in values]):
        values, failures, scored = {}, {}, []
        seeded = [(tuple(r.settings.get(key) for key in over), r) for r in members[combination]]
        for seed, record in sorted(seeded, key=lambda pair: [rank(value) for value in pair[0]]):
            value = value_of(record.scores, metric)
            if value is not None and math.isfinite(value):
                values[seed] = value
                scored.append(record)
            else:
                failures[seed] = record.failure or f"{metric} is {value or 'not scored'}"
        reached = None
        if target is not None:
            reached = sum(v <= target if lower else v >= target for v in values.values())
        settings = dict(zip(keys, combination, strict=True))
        tasks = {seed: record.task for seed, record in seeded if record.task is not None}
        groups.append(Group(settings, values, failures, scored, reached, tasks))
    return groups


def _same_task(group: Group, other: Group) -> bool:
    shared = group.tasks.keys() & other.tasks.keys()
    return all(group.tasks[seed] == other.tasks[seed] for seed in shared)


def _fills_grid(groups: Sequence[Group], keys: Sequence[str]) -> bool:
    counts = [len({group.settings[key] for group in groups}) for key in keys]
    return len(groups) >= 0.4 * math.prod(counts)


def _known(table: Table) -> list[Record]:
    """Leave out what failed before anyone knew its settings."""
    return [record for record in table.records if record.placed]


def _default_metric(table: Table) -> str:
    name = plain(table.monitor)
    names = table.metrics
    wanted = [f"test/free_{name}", f"test/{name}", *names]
    return next((metric for metric in wanted if metric in names), f"test/{name}")


def _is_lower_better(metric: str, table: Table) -> bool:
    """Tell which way a metric is better; a cost is better if lower.

    Raises:
        ConfigError: no run declares it, or some contradict each other.
    """
    if "/" not in metric or not table.metrics:
        return True
    name = plain(metric)
    if name not in table.higher_is_better:
        raise ConfigError(
            f"metric={metric} can't be compared: the runs here don't declare, or not alike, "
            "whether higher values are better; they do of "
            f"{', '.join(table.higher_is_better) or 'none'}"
        )
    return not table.higher_is_better[name]


def _unknown(word: str, key: str, known: Sequence[str]) -> str:
    hint = near(key, known) or f": it takes {', '.join(known) or 'none'}"
    kind = "a number that differs among the runs" if word == "x" else "swept here"
    return f"{word}={key} is not {kind}{hint}"
