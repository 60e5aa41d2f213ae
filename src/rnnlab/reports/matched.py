"""`compare=KEY`: runs that differ in one setting, paired where they agree in everything else."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from rnnlab.config.suggestions import hint
from rnnlab.errors import ConfigError
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.groups import sort_key, value_of
from rnnlab.reports.significance import Evidence, compare_pairs
from rnnlab.reports.table import Record, SettingValue

_REASONS = 5  # that are told
_Others = tuple[SettingValue, ...]  # a run's values of all settings but the compared one


@dataclass(frozen=True)
class MatchedPair:
    """Runs with one value of the setting against those with another, on one task.

    Attributes:
        task: the task, or `None` if it is not known.
        value: the value.
        other: the value that it is compared with.
        evidence: of the runs with `value` against those with `other`.
    """

    task: str | None
    value: SettingValue
    other: SettingValue
    evidence: Evidence


@dataclass(frozen=True)
class Matching:
    """All pairs of values of one setting.

    Attributes:
        key: the setting.
        pairs: the pairs of values that have runs to compare.
        runs: number of runs.
        left_out: why runs are in no pair -> how many.
    """

    key: str
    pairs: Sequence[MatchedPair]
    runs: int
    left_out: Mapping[str, int]

    @property
    def summary(self) -> list[str]:
        """How many runs are paired, and a line for each reason why others are not."""
        paired = self.runs - sum(self.left_out.values())
        ranked = Counter(self.left_out).most_common()
        lines = [f"{count} left out: {reason}" for reason, count in ranked[:_REASONS]]
        if rest := sum(count for _, count in ranked[_REASONS:]):
            lines.append(f"{rest} left out for other reasons of this kind")
        return [f"{paired} of {self.runs} runs are paired", *lines]


def match(aggregate: Aggregate, key: str) -> Matching:
    """Pair the runs with different values of a setting that agree in all other swept settings.

    Raises:
        ConfigError: the setting is not swept, is aggregated over, or is the task.
    """
    takes = [each for each in aggregate.keys if each != "task"]
    if key == "task":
        raise ConfigError("compare=task: scores of different tasks can't be compared")
    if key not in takes:
        raise ConfigError(f"compare={key} is not swept here{hint(key, takes)}")
    others = [each for each in aggregate.table.keys if each != key]
    tasks: dict[str | None, dict[SettingValue, dict[_Others, Record]]] = {}
    known = [record for record in aggregate.table.records if record.has_settings]
    for record in known:
        of_value = tasks.setdefault(record.task, {}).setdefault(record.settings[key], {})
        of_value[tuple(record.settings[each] for each in others)] = record
    pairs, left_out = [], Counter[str]()
    for task, by_value in sorted(tasks.items(), key=lambda item: str(item[0])):
        for other, value in combinations(sorted(by_value, key=sort_key), 2):
            pairs += _pair(aggregate, task, (value, other), by_value)
        for value, runs in by_value.items():
            rest = [each for other, each in by_value.items() if other != value]
            for values in runs:
                if not any(values in each for each in rest):
                    candidates = [candidate for each in rest for candidate in each]
                    left_out[_why(aggregate, key, others, values, candidates)] += 1
    return Matching(key, pairs, len(known), left_out)


def _pair(
    aggregate: Aggregate,
    task: str | None,
    values: tuple[SettingValue, SettingValue],
    by_value: Mapping[SettingValue, Mapping[_Others, Record]],
) -> list[MatchedPair]:
    """Compare the runs of two values; nothing if no two of them agree or have a score."""
    ones, others = (by_value[value] for value in values)
    scores = [
        (_score(aggregate, ones[each]), _score(aggregate, others[each]))
        for each in ones
        if each in others
    ]
    found = compare_pairs(scores, aggregate.interval, lower_is_better=aggregate.lower_is_better)
    known = found.difference.size or sum(found.signs[:2])
    return [MatchedPair(task, *values, found)] if known else []


def _score(aggregate: Aggregate, record: Record) -> float:
    """Return the metric of a run, NaN if it has none that is finite."""
    value = value_of(record.scores, aggregate.metric)
    return value if value is not None and math.isfinite(value) else math.nan


def _why(
    aggregate: Aggregate,
    key: str,
    others: Sequence[str],
    values: _Others,
    candidates: Sequence[_Others],
) -> str:
    """Say why a run has no partner: in which settings the most similar run differs."""
    name = aggregate.short_names[key]
    if not candidates:
        return f"their task has one {name} alone"
    differing = [
        [k for k, v, w in zip(others, values, other, strict=True) if v != w] for other in candidates
    ]
    names = [aggregate.short_names[each] for each in min(differing, key=len)]
    shown = ", ".join(names)
    return f"no run of another {name} has the same {shown}"
