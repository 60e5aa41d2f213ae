"""Aggregating a metric over runs that differ in their seeds alone, and comparing such groups."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from rnnlab.config.suggestions import did_you_mean
from rnnlab.errors import ConfigError
from rnnlab.metric import base_name
from rnnlab.reports.statistics import (
    Interval,
    SignTest,
    Summary,
    sign_test,
    summarize,
    wilson,
)
from rnnlab.reports.table import Record, RunSettings, RunTable, SettingValue
from rnnlab.spelling import brief, printable

T = TypeVar("T")


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ only in the settings that are aggregated over, such as the seed.

    A seed is the tuple of a run's values of these settings.

    Args:
        settings: the settings that the runs share.
        values: seed -> metric, of the runs that have a finite one.
        failures: seed -> reason, of the other runs.
        records: records of the runs in `values`, in the same order.
        reached: number of runs that reached the target; `None` without a target.
        tasks: seed -> task, of the runs whose task is known.
    """

    settings: RunSettings
    values: Mapping[tuple[SettingValue, ...], float]
    failures: Mapping[tuple[SettingValue, ...], str]
    records: Sequence[Record]
    reached: int | None
    tasks: Mapping[tuple[SettingValue, ...], str]

    @property
    def total(self) -> int:
        """Number of runs, failed ones too."""
        return len(self.values) + len(self.failures)

    @cached_property
    def summary(self) -> Summary:
        """Statistics of the metric."""
        return summarize(list(self.values.values()))

    @property
    def rate(self) -> float:
        """Share of the runs that reached the target; a failed run did not."""
        return math.nan if self.reached is None else self.reached / self.total

    @property
    def rate_interval(self) -> Interval:
        """Wilson interval of the rate."""
        return wilson(self.reached or 0, 0 if self.reached is None else self.total)


@dataclass(frozen=True)
class Comparison:
    """A group compared with the best of its neighbours, paired by seed.

    Args:
        group: the group.
        best: the group with the best mean among those that differ from it in one setting alone.
        difference: statistics of `group - best`, over the seeds on which both finished.
        signs: sign test over the shared seeds; a failure is worse than any value.
    """

    group: RunGroup
    best: RunGroup
    difference: Summary
    signs: SignTest


@dataclass(frozen=True)
class Aggregate:
    """One metric of all runs, aggregated in groups.

    Args:
        table: the runs.
        metric: name of the metric.
        lower_is_better: whether lower values are better.
        target: the value to reach, or `None`.
        over: the settings that are aggregated over.
        x: the numeric setting on the x axis, or `None`.
        groups: a group for each combination of the other swept settings, sorted by these; if the
            settings don't form a grid, the best first.
    """

    table: RunTable
    metric: str
    lower_is_better: bool
    target: float | None
    over: Sequence[str]
    x: str | None
    groups: Sequence[RunGroup]

    @property
    def keys(self) -> list[str]:
        """The settings in which groups differ."""
        return [key for key in self.table.keys if key not in self.over]

    @cached_property
    def short_names(self) -> dict[str, str]:
        """Setting -> the last part of its key where that is unique, else the whole key."""
        last = {key: brief(printable(re.split("[./]", key)[-1]), 40) for key in self.table.keys}
        names = list(last.values())
        unique = {key for key, name in last.items() if names.count(name) == 1}
        return {key: name if key in unique else printable(key) for key, name in last.items()}

    @property
    def is_grid(self) -> bool:
        """Whether the settings form a grid or most of one, rather than a random search."""
        return _fills_grid(self.groups, self.keys)

    def label(self, group: RunGroup, keys: Sequence[str] | None = None) -> str:
        """Format the settings of a group."""
        chosen = self.keys if keys is None else keys
        parts = (f"{self.short_names[key]}={format_value(group.settings[key])}" for key in chosen)
        return " ".join(parts) or "all runs"

    def seed_label(self, seed: Sequence[SettingValue]) -> str:
        """Format the seed of a run; empty if no seed is swept."""
        pairs = zip(self.over, seed, strict=False)
        return " ".join(
            f"{self.short_names[k]}={format_value(v)}" for k, v in pairs if k in self.short_names
        )

    @property
    def curve_metric(self) -> str:
        """The validation metric whose curve is drawn for the metric."""
        split, _, name = self.metric.partition("/")
        return f"val/{name}" if name and split != "train" else self.table.monitor

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Each group compared with the best of those that differ from it in one setting alone.

        That setting is not `x` if others are swept too. Runs of different tasks are not compared.
        """
        free = [key for key in self.keys if key != self.x] or self.keys
        # Groups are in one block of a key if they differ in nothing else.
        block_of = {
            (n, key): (key, tuple(v for k, v in group.settings.items() if k != key))
            for n, group in enumerate(self.groups)
            for key in free
        }
        blocks: dict[tuple[str, tuple[SettingValue, ...]], list[int]] = {}
        for (n, _), block in block_of.items():
            blocks.setdefault(block, []).append(n)
        comparisons = []
        xs = [group.settings.get(self.x) if self.x else None for group in self.groups]
        for n in sorted(range(len(xs)), key=lambda n: xs.index(xs[n])):
            group = self.groups[n]
            neighbours = sorted({other for key in free for other in blocks[block_of[n, key]]})
            others = [self.groups[other] for other in neighbours if other != n]
            others = [other for other in others if _same_task(group, other)]
            comparisons += self._compare(group, others)
        return comparisons

    def _compare(self, group: RunGroup, others: Sequence[RunGroup]) -> list[Comparison]:
        """Compare a group with the best of all, unless it is that or they share too few seeds."""
        scored = [other for other in (group, *others) if other.values]
        if not scored:
            return []
        best = (min if self.lower_is_better else max)(scored, key=lambda group: group.summary.mean)
        if best is group:
            return []
        pair = self._pair(group, best)
        return [pair] if sum(pair.signs[:2]) > 1 or pair.difference.size > 1 else []

    def _pair(self, group: RunGroup, best: RunGroup) -> Comparison:
        both = [seed for seed in group.values if seed in best.values]
        differences = [group.values[seed] - best.values[seed] for seed in both]
        gains = [-difference if self.lower_is_better else difference for difference in differences]
        return Comparison(
            group,
            best,
            summarize(differences),
            sign_test(
                better=sum(gain > 0 for gain in gains) + len(group.values & best.failures.keys()),
                worse=sum(gain < 0 for gain in gains) + len(best.values & group.failures.keys()),
            ),
        )


def aggregate_runs(
    table: RunTable,
    *,
    metric: str | None,
    target: float | None,
    over: Sequence[str],
    x: str | None,
) -> Aggregate:
    """Group runs and aggregate a metric.

    Args:
        table: the runs.
        metric: name of the metric; `None` takes the test score of the metric that most runs
            monitored, free running if that was scored.
        target: the value to reach, or `None`.
        over: settings to aggregate over.
        x: numeric setting for the x axis; `None` takes the one with the most values.

    Raises:
        ConfigError: the runs don't have the metric or a setting; one line each.
    """
    problems = []
    names = table.metrics
    if metric is not None and metric not in names:
        takes = did_you_mean(metric, names) or f": it takes {', '.join(names)}"
        problems.append(f"metric={metric} is not a score of these runs{takes}")
    metric = metric or _default_metric(table)
    for key in over:
        if key not in table.keys and key != "seed":
            problems.append(_unknown("over", key, table.keys))
    keys = [key for key in table.keys if key not in over]
    known = [record for record in table.records if record.has_settings]
    numeric = [key for key in keys if is_numeric(known, key)]
    if x is not None and x not in numeric:
        problems.append(_unknown("x", x, numeric))
    if problems:
        raise ConfigError("\n".join(problems))
    if x is None and numeric:
        x = max(numeric, key=lambda key: len({record.settings[key] for record in known}))
    lower_is_better = _is_lower_better(metric, table)
    groups = _make_groups(known, keys, over, metric, lower_is_better, target)
    if not _fills_grid(groups, keys):
        sign = 1 if lower_is_better else -1
        groups.sort(key=lambda g: sign * g.summary.mean if g.values else math.inf)
    return Aggregate(table, metric, lower_is_better, target, over, x, groups)


def value_of(scores: Mapping[str, T], metric: str) -> T | None:
    """Look up a metric; without a score `free_X` it is `X`, for models that are fed no outputs."""
    return scores.get(metric, scores.get(metric.replace("/free_", "/")))


def format_value(value: SettingValue) -> str:
    """Format a setting's value: floats in four digits, `-` for `None`, texts shortened."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) else brief(printable(str(value)), 40)


def sort_key(value: SettingValue) -> tuple[int, float, str]:
    """Key to sort values of settings by: numbers, then texts, then `None`."""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1 + (value is None), 0.0, str(value)


def is_numeric(members: Iterable[Record | RunGroup], key: str) -> bool:
    """Whether a setting is a number in all members; null is not a number."""
    values = (member.settings[key] for member in members)
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _make_groups(
    records: Sequence[Record],
    keys: Sequence[str],
    over: Sequence[str],
    metric: str,
    lower_is_better: bool,
    target: float | None,
) -> list[RunGroup]:
    """Make a group for each combination of the settings `keys`."""
    members: dict[tuple[SettingValue, ...], list[Record]] = {}
    for record in records:
        members.setdefault(tuple(record.settings[key] for key in keys), []).append(record)
    groups = []
    for combination in sorted(members, key=lambda values: [sort_key(value) for value in values]):
        values, failures, scored = {}, {}, []
        seeded = [(tuple(r.settings.get(key) for key in over), r) for r in members[combination]]
        for seed, record in sorted(seeded, key=lambda pair: [sort_key(value) for value in pair[0]]):
            value = value_of(record.scores, metric)
            if value is not None and math.isfinite(value):
                values[seed] = value
                scored.append(record)
            else:
                failures[seed] = record.failure or f"{metric} is {value or 'not scored'}"
        reached = None
        if target is not None:
            reached = sum(v <= target if lower_is_better else v >= target for v in values.values())
        settings = dict(zip(keys, combination, strict=True))
        tasks = {seed: record.task for seed, record in seeded if record.task is not None}
        groups.append(RunGroup(settings, values, failures, scored, reached, tasks))
    return groups


def _same_task(group: RunGroup, other: RunGroup) -> bool:
    shared = group.tasks.keys() & other.tasks.keys()
    return all(group.tasks[seed] == other.tasks[seed] for seed in shared)


def _fills_grid(groups: Sequence[RunGroup], keys: Sequence[str]) -> bool:
    counts = [len({group.settings[key] for group in groups}) for key in keys]
    return len(groups) >= 0.4 * math.prod(counts)


def _default_metric(table: RunTable) -> str:
    name = base_name(table.monitor)
    names = table.metrics
    wanted = [f"test/free_{name}", f"test/{name}", *names]
    return next((metric for metric in wanted if metric in names), f"test/{name}")


def _is_lower_better(metric: str, table: RunTable) -> bool:
    """Whether lower values of a metric are better, as the runs' tasks declare; of costs they are.

    Raises:
        ConfigError: no run declares it, or the runs contradict each other.
    """
    if "/" not in metric or not table.metrics:
        return True
    name = base_name(metric)
    if name not in table.higher_is_better:
        raise ConfigError(
            f"metric={metric} can't be compared: the runs here don't declare, or not alike, "
            "whether higher values are better; they do of "
            f"{', '.join(table.higher_is_better) or 'none'}"
        )
    return not table.higher_is_better[name]


def _unknown(argument: str, key: str, known: Sequence[str]) -> str:
    hint = did_you_mean(key, known) or f": it takes {', '.join(known) or 'none'}"
    kind = "a number that differs among the runs" if argument == "x" else "swept here"
    return f"{argument}={key} is not {kind}{hint}"
