"""The cells of a report's tables, as texts."""

import math
from collections.abc import Sequence

from rnnlab.metric import words
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.groups import RunGroup, format_value
from rnnlab.reports.importance import Importance
from rnnlab.reports.layout import count_runs, duration, number, span
from rnnlab.reports.matched import Matching
from rnnlab.reports.neighbours import Comparison
from rnnlab.reports.significance import Evidence
from rnnlab.reports.table import SettingValue

Rows = list[list[str]]


def title(aggregate: Aggregate) -> str:
    """Name the metric, which direction is better, and count the runs."""
    table = aggregate.table
    seconds = sum(record.scores.get("seconds", 0.0) for record in table.records)
    failed = len(failures(aggregate))
    direction = "lower" if aggregate.lower_is_better else "higher"
    parts = [f"{metric_and_key(aggregate.metric)}, {direction} is better"]
    parts.append(count_runs(len(table.records)))
    if failed:
        parts.append(f"{failed} failed")
    if aggregate.target is not None:
        parts.append(f"target {aggregate.target:g}")
    return ", ".join([*parts, f"{duration(seconds)} of training"])


def metric_and_key(metric: str) -> str:
    """Return a metric in words, with its key where that is another: `accuracy (test/accuracy)`."""
    return words(metric) if words(metric) == metric else f"{words(metric)} ({metric})"


def group_table(aggregate: Aggregate) -> Rows:
    """Return a row for each group: settings, statistics of the metric, floor, costs."""
    groups = aggregate.groups
    rated = aggregate.target is not None
    floors = [aggregate.floor([group]) for group in groups]
    parameters = [group.mean_cost("parameters") for group in groups]
    seconds = [group.mean_cost("seconds") for group in groups]
    columns = [
        *(
            (aggregate.short_names[key], [format_value(group.settings[key]) for group in groups])
            for key in aggregate.keys
        ),
        ("n", [str(group.summary.size) for group in groups]),
        ("failed", [str(len(group.failures) or "") for group in groups]),
        ("mean", [number(group.summary.mean) for group in groups]),
        ("sd", [number(group.summary.sd, digits=2) for group in groups]),
        ("95 %", [span(group.summary.interval) for group in groups]),
        ("median", [number(group.summary.median) for group in groups]),
        ("floor", [number(math.nan if floor is None else floor) for floor in floors]),
        ("reached", [f"{group.reached}/{group.total}" if rated else "" for group in groups]),
        ("95 %", [span(group.rate_interval, digits=2) if rated else "" for group in groups]),
        ("params", ["" if math.isnan(value) else f"{value:,.0f}" for value in parameters]),
        ("seconds", [number(value, digits=3) for value in seconds]),
    ]
    kept = [(name, *cells) for name, cells in columns if any(cells)]
    return [list(row) for row in zip(*kept, strict=True)]


def comparison_table(aggregate: Aggregate) -> Rows:
    """Return a row for each group that is compared with the best of its neighbours."""
    rows = [["against the best", "of", "seeds", "difference", "95 %", "better", "sign p", "perm p"]]
    return rows + [_comparison_row(aggregate, pair) for pair in aggregate.comparisons]


def _comparison_row(aggregate: Aggregate, pair: Comparison) -> list[str]:
    shared = [key for key in aggregate.keys if pair.group.settings[key] == pair.best.settings[key]]
    others = [key for key in aggregate.keys if key not in shared]
    return [
        aggregate.label(pair.group),
        aggregate.label(pair.best, others),
        *_evidence(pair.evidence),
    ]


def _evidence(found: Evidence) -> list[str]:
    """Return the cells of a paired difference and its tests."""
    better, worse, p = found.signs
    return [
        str(found.difference.size),
        signed(found.difference.mean),
        span(found.difference.interval, digits=3),
        f"{better}/{better + worse}",
        f"{p:.2g}",
        number(found.permutation_p, digits=2),
    ]


def matching_table(aggregate: Aggregate, matching: Matching) -> Rows:
    """Return a row for each two values of a setting, of one task."""
    name = aggregate.short_names[matching.key]
    rows = [
        ["task", name, "against", "pairs", "difference", "95 %", "better", "sign p", "perm p"],
        *(
            [
                pair.task or "",
                format_value(pair.value),
                format_value(pair.other),
                *_evidence(pair.evidence),
            ]
            for pair in matching.pairs
        ),
    ]
    return rows if len({pair.task for pair in matching.pairs}) > 1 else [row[1:] for row in rows]


def importance_table(aggregate: Aggregate, found: Sequence[Importance]) -> Rows:
    """Return a row for each setting: how much of the scores it explains."""
    return [
        ["setting", "explains", "classes"],
        *(
            [aggregate.short_names[each.key], f"{100 * each.share:.0f} %", str(each.classes)]
            for each in found
        ),
    ]


def failures(aggregate: Aggregate) -> list[tuple[str, str]]:
    """List the label and reason of each job without the metric."""
    known = [
        (run_label(aggregate, group, seed), reason)
        for group in aggregate.groups
        for seed, reason in group.failures.items()
    ]
    unknown = [(r.name, r.failure or "") for r in aggregate.table.records if not r.has_settings]
    return known + unknown


def run_label(aggregate: Aggregate, group: RunGroup, seed: Sequence[SettingValue]) -> str:
    """Name a run by its settings and its seed."""
    label = [aggregate.label(group)] if aggregate.keys else []
    return " ".join([*label, aggregate.seed_label(seed)]).strip() or "all runs"


def signed(value: float) -> str:
    """Format a difference; NaN as nothing."""
    return "" if math.isnan(value) else f"{value:+.3g}"
