"""Groups of runs that differ in their seeds alone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from rnnlab.reports.statistics import Interval, IntervalKind, Summary, summarize, wilson
from rnnlab.reports.table import Record, RunSettings, SettingValue
from rnnlab.spelling import brief, printable

T = TypeVar("T")


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ only in the settings that are aggregated over, such as the seed.

    A seed is the tuple of a run's values of these settings.

    Attributes:
        settings: the settings that the runs share.
        values: seed -> metric, of the runs that have a finite one.
        failures: seed -> reason, of the other runs.
        records: records of the runs in `values`, in the same order.
        reached: number of runs that reached the target; `None` without a target.
        tasks: seed -> task, of the runs whose task is known.
        interval: the kind of interval of the mean.
    """

    settings: RunSettings
    values: Mapping[tuple[SettingValue, ...], float]
    failures: Mapping[tuple[SettingValue, ...], str]
    records: Sequence[Record]
    reached: int | None
    tasks: Mapping[tuple[SettingValue, ...], str]
    interval: IntervalKind

    @property
    def total(self) -> int:
        """Number of runs, failed ones too."""
        return len(self.values) + len(self.failures)

    @cached_property
    def summary(self) -> Summary:
        """Statistics of the metric."""
        return summarize(list(self.values.values()), self.interval)

    @property
    def rate(self) -> float:
        """Share of the runs that reached the target; a failed run did not."""
        return math.nan if self.reached is None else self.reached / self.total

    @property
    def rate_interval(self) -> Interval:
        """Wilson interval of the rate."""
        return wilson(self.reached or 0, 0 if self.reached is None else self.total)

    @property
    def task(self) -> str | None:
        """The task of all runs, or `None` if it is not known or they have several."""
        found = set(self.tasks.values())
        return found.pop() if len(found) == 1 else None

    def floors(self, name: str) -> list[float]:
        """Return the floors of a metric, given without split, in the runs that have one."""
        return [record.floor[name] for record in self.records if name in record.floor]

    def mean_cost(self, name: str) -> float:
        """Return the mean of a cost, such as `parameters`, over the runs that have it, or NaN."""
        found = [record.scores[name] for record in self.records if name in record.scores]
        return sum(found) / len(found) if found else math.nan


def make_groups(
    records: Sequence[Record],
    keys: Sequence[str],
    over: Sequence[str],
    metric: str,
    *,
    lower_is_better: bool,
    target: float | None,
    interval: IntervalKind,
) -> list[RunGroup]:
    """Make a group for each combination of the settings `keys`.

    Where no run that finished has the metric, since its task has others, the runs are left out.
    """
    members: dict[tuple[SettingValue, ...], list[Record]] = {}
    for record in records:
        members.setdefault(tuple(record.settings[key] for key in keys), []).append(record)
    groups = []
    for combination in sorted(members, key=lambda values: [sort_key(value) for value in values]):
        of_group = members[combination]
        if not any(value_of(r.scores, metric) is not None for r in of_group):
            of_group = [record for record in of_group if record.failure is not None]
        values, failures, scored = {}, {}, []
        seeded = [(tuple(r.settings.get(key) for key in over), r) for r in of_group]
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
        if seeded:
            groups.append(RunGroup(settings, values, failures, scored, reached, tasks, interval))
    return groups


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


def values_of(groups: Sequence[RunGroup], key: str) -> list[SettingValue]:
    """Return the distinct values of a setting, sorted."""
    return sorted({group.settings[key] for group in groups}, key=sort_key)
