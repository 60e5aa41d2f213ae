"""Aggregating a metric over runs that differ in their seeds alone, and comparing such groups."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rnnlab.config.suggestions import hint
from rnnlab.errors import ConfigError
from rnnlab.metric import base_name
from rnnlab.reports.groups import RunGroup, format_value, is_numeric, make_groups
from rnnlab.reports.neighbours import Comparison, compare_neighbours
from rnnlab.reports.question import Question
from rnnlab.reports.statistics import IntervalKind
from rnnlab.reports.table import RunTable, SettingValue
from rnnlab.spelling import brief, printable


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
        interval: the kind of interval of means.
        groups: a group for each combination of the other swept settings, sorted by these; if the
            settings don't form a grid, the best first.
    """

    table: RunTable
    metric: str
    lower_is_better: bool
    target: float | None
    over: Sequence[str]
    x: str | None
    interval: IntervalKind
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

    def in_words(self, key: str) -> str:
        """Return the short name of a setting as pictures have it: `forget bias`."""
        return self.short_names[key].replace("_", " ")

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
        """Each group compared with the best of those that differ from it in one setting alone."""
        return compare_neighbours(
            self.groups, self.keys, self.x, lower_is_better=self.lower_is_better
        )

    @cached_property
    def remarks(self) -> list[str]:
        """Notes for the reader: those of the table, and on runs that lack the metric."""
        total = sum(record.has_settings for record in self.table.records)
        unscored = total - sum(group.total for group in self.groups)
        if not unscored:
            return list(self.table.remarks)
        said = f"{unscored} of {total} runs have no {self.metric}, and are left out"
        return [said, *self.table.remarks]

    def floor(self, groups: Sequence[RunGroup]) -> float | None:
        """Return the metric's floor in some groups, `None` if they have none or several."""
        name = base_name(self.metric)
        found = {floor for group in groups for floor in group.floors(name)}
        return found.pop() if len(found) == 1 else None


def aggregate_runs(table: RunTable, question: Question, metric: str | None) -> Aggregate:
    """Group runs and aggregate a metric.

    Args:
        table: the runs.
        question: what is asked of them, besides the metrics.
        metric: name of the metric; without a split, such as `accuracy`, it is the test score, free
            running if that was scored. `None` takes the metric that most runs monitored.

    Raises:
        ConfigError: the runs don't have the metric or a setting; one line each.
    """
    problems = []
    over, x, names = question.over, question.x, table.metrics
    if metric is None:
        name = base_name(table.monitor)
        metric = _find_metric(name, names) or next(iter(names), f"test/{name}")
    elif found := _find_metric(metric, names):
        metric = found
    else:
        problems.append(f"metric={metric} is not a score of these runs{hint(metric, names)}")
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
    groups = make_groups(
        known,
        keys,
        over,
        metric,
        lower_is_better=lower_is_better,
        target=question.target,
        interval=question.interval,
    )
    if not _fills_grid(groups, keys):
        sign = 1 if lower_is_better else -1
        groups.sort(key=lambda g: sign * g.summary.mean if g.values else math.inf)
    return Aggregate(
        table, metric, lower_is_better, question.target, over, x, question.interval, groups
    )


def _fills_grid(groups: Sequence[RunGroup], keys: Sequence[str]) -> bool:
    counts = [len({group.settings[key] for group in groups}) for key in keys]
    return len(groups) >= 0.4 * math.prod(counts)


def _find_metric(name: str, known: Sequence[str]) -> str | None:
    """Return the metric of this name, or its test score, free running if that is known."""
    wanted = (name, f"test/free_{name}", f"test/{name}")
    return next((metric for metric in wanted if metric in known), None)


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
    kind = "a number that differs among the runs" if argument == "x" else "swept here"
    return f"{argument}={key} is not {kind}{hint(key, known)}"
