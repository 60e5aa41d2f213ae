"""Writing the report of a sweep: tables for the terminal, Markdown and CSV."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from rnnlab.errors import ConfigError
from rnnlab.files.atomic import path_inside, remove_part_files, write_atomically
from rnnlab.reports import charts
from rnnlab.reports.aggregate import Aggregate, Comparison, RunGroup, format_value, sort_key
from rnnlab.reports.curves import read_curves, write_curves, write_hparams
from rnnlab.reports.layout import (
    WIDTH,
    aligned,
    code,
    count_runs,
    csv_text,
    cut,
    duration,
    escape,
    limited,
    markdown_table,
    number,
    span,
)
from rnnlab.reports.statistics import RESAMPLES
from rnnlab.reports.table import SettingValue
from rnnlab.spelling import printable

_FILES = ("report.md", "table.csv", "runs.csv")
_TREES = ("curves", "hparams")
_SHOWN = 40  # rows of a table in a terminal


def write(aggregate: Aggregate, directory: Path, command: str) -> None:
    """Write the whole report, replacing an earlier one.

    Written are `report.md`, `table.csv`, `runs.csv`, pictures if matplotlib is installed, and for
    TensorBoard `curves/<group>/{mean,low,high}/` and `hparams/<group>/<seed>/`.

    Args:
        aggregate: the aggregated sweep.
        directory: directory of the report; made if missing.
        command: the command line, quoted in the report.

    Raises:
        ConfigError: the directory can't be written to.
    """
    refuse_links(directory, [*_FILES, *charts.PICTURES, *_TREES])
    try:
        directory.mkdir(exist_ok=True)
        _remove_earlier(directory)
        curves = [read_curves(group) for group in aggregate.groups]
        pictures = charts.draw(aggregate, curves, directory) if charts.can_draw() else []
        write_curves(aggregate, curves, directory / "curves")
        write_hparams(aggregate, directory / "hparams")
        contents = (
            markdown(aggregate, command, pictures),
            group_csv(aggregate),
            run_csv(aggregate),
        )
        for name, content in zip(_FILES, contents, strict=True):
            write_atomically(directory / name, content.encode())
    except OSError as error:
        raise ConfigError(f"{directory} can't be written to: {error.strerror}") from error


def refuse_links(directory: Path, names: Sequence[str]) -> None:
    """Refuse a directory if it or a file in it is a symbolic link, which may lead anywhere.

    Raises:
        ConfigError: one is a link, or neither a file nor a directory.
    """
    for path in (directory, *(directory / name for name in names)):
        if path.is_symlink():
            raise ConfigError(f"{path} is a link: it won't be followed")
        path_inside(path.parent, path.name)


def _remove_earlier(directory: Path) -> None:
    """Remove the files of an earlier report, and no others.

    Raises:
        ConfigError: there is a link among the curves.
    """
    for name in (*_FILES, *charts.PICTURES):
        (directory / name).unlink(missing_ok=True)
    for tree in _TREES:
        for path, inner, names in os.walk(directory / tree, topdown=False):
            for name in (*inner, *names):
                refuse_links(Path(path) / name, [])
            for name in names:
                if name.startswith("events.out.tfevents."):
                    (Path(path) / name).unlink()
            with contextlib.suppress(OSError):  # not empty
                Path(path).rmdir()
    remove_part_files(directory)


def terminal(aggregate: Aggregate) -> str:
    """Format title, groups, comparisons and failures for the terminal."""
    heading, *rows = _group_table(aggregate)
    blocks = [
        _title(aggregate),
        limited(aligned([heading, *rows[:_SHOWN]]), len(rows) - _SHOWN),
    ]
    heading, *rows = _comparison_table(aggregate)
    if rows:
        blocks.append(limited(aligned([heading, *rows[:_SHOWN]]), len(rows) - _SHOWN))
    failures = [printable(f"{name}  {reason}") for name, reason in _failures(aggregate)]
    if failures:
        lines = ["failures", *(f"  {line}" for line in failures[:_SHOWN])]
        blocks.append(limited(lines, len(failures) - _SHOWN))
    blocks += [printable(f"note: {remark}") for remark in aggregate.table.remarks]
    return "\n".join(cut(line, WIDTH) for line in "\n\n".join(blocks).splitlines())


def markdown(aggregate: Aggregate, command: str, pictures: Sequence[str]) -> str:
    """Format the report as Markdown: pictures, tables, failures and methods."""
    table = aggregate.table
    name = escape(table.directory.resolve().name)
    parts = [f"# {name}", escape(_title(aggregate)), f"    {printable(command)}"]
    if table.shared:
        shared = " ".join(code(f"{key}={value}") for key, value in table.shared.items())
        parts.append(f"All runs have {shared}.")
    parts += [f"![{Path(name).stem}]({name})" for name in pictures]
    parts += ["## Groups", markdown_table(_group_table(aggregate))]
    heading, *rows = _comparison_table(aggregate)
    if rows:
        parts += ["## Paired with the best", markdown_table([heading, *rows])]
    failures = [[name, reason] for name, reason in _failures(aggregate)]
    if failures:
        parts += ["## Failures", markdown_table([["job", "reason"], *failures])]
    parts += ["## How to read it", "\n".join(f"- {note}" for note in _notes(aggregate))]
    return "\n\n".join(parts) + "\n"


def group_csv(aggregate: Aggregate) -> str:
    """Format the groups as CSV, a row each, in full precision."""
    rows = []
    for group in aggregate.groups:
        size, mean, median, interval = group.summary
        statistics = {
            "metric": aggregate.metric,
            "runs": group.total,
            "failures": len(group.failures),
            "scored": size,
            "mean": mean,
            "mean_low": interval.low,
            "mean_high": interval.high,
            "median": median,
            "target": aggregate.target,
            "reached": group.reached,
            "success_rate": group.rate,
            "success_low": group.rate_interval.low,
            "success_high": group.rate_interval.high,
        }
        rows.append({**group.settings, **statistics})
    for pair in aggregate.comparisons:
        row = rows[list(aggregate.groups).index(pair.group)]
        row["best"] = aggregate.label(pair.best)
        row["shared"] = pair.difference.size
        row["difference"] = pair.difference.mean
        row["difference_low"], row["difference_high"] = pair.difference.interval
        row["better"], row["worse"], row["sign_p"] = pair.signs
    return csv_text(rows)


def run_csv(aggregate: Aggregate) -> str:
    """Format the runs as CSV, a row each: settings, failure and all scores."""
    keys = aggregate.table.keys
    records = sorted(
        aggregate.table.records,
        key=lambda record: [sort_key(record.settings.get(key)) for key in keys],
    )
    return csv_text(
        [{"job": r.name, **r.settings, "failure": r.failure, **r.scores} for r in records]
    )


# Contents of the tables.


def _title(aggregate: Aggregate) -> str:
    table = aggregate.table
    seconds = sum(record.scores.get("seconds", 0.0) for record in table.records)
    failed = len(_failures(aggregate))
    direction = "lower" if aggregate.lower_is_better else "higher"
    parts = [f"{aggregate.metric}, {direction} is better", count_runs(len(table.records))]
    if failed:
        parts.append(f"{failed} failed")
    if aggregate.target is not None:
        parts.append(f"target {aggregate.target:g}")
    return ", ".join([*parts, f"{duration(seconds)} of training"])


def _group_table(aggregate: Aggregate) -> list[list[str]]:
    rated = ["reached", "95 %"] if aggregate.target is not None else []
    keys = [aggregate.short_names[key] for key in aggregate.keys]
    rows = [[*keys, "n", "failed", "mean", "95 %", "median", *rated]]
    for group in aggregate.groups:
        size, mean, median, interval = group.summary
        cells = [format_value(group.settings[key]) for key in aggregate.keys]
        cells += [str(size), str(len(group.failures) or "")]
        cells += [number(mean), span(interval), number(median)]
        if rated:
            cells += [f"{group.reached}/{group.total}", span(group.rate_interval, digits=2)]
        rows.append(cells)
    return rows


def _comparison_table(aggregate: Aggregate) -> list[list[str]]:
    rows = [["against the best", "of", "seeds", "difference", "95 %", "better", "sign p"]]
    return rows + [_comparison_row(aggregate, pair) for pair in aggregate.comparisons]


def _comparison_row(aggregate: Aggregate, pair: Comparison) -> list[str]:
    shared = [key for key in aggregate.keys if pair.group.settings[key] == pair.best.settings[key]]
    others = [key for key in aggregate.keys if key not in shared]
    better, worse, p = pair.signs
    return [
        aggregate.label(pair.group),
        aggregate.label(pair.best, others),
        str(pair.difference.size),
        f"{pair.difference.mean:+.3g}" if pair.difference.size else "",
        span(pair.difference.interval, digits=3),
        f"{better}/{better + worse}",
        f"{p:.2g}",
    ]


def _failures(aggregate: Aggregate) -> list[tuple[str, str]]:
    """List the label and reason of each job without the metric."""
    known = [
        (_run_label(aggregate, group, seed), reason)
        for group in aggregate.groups
        for seed, reason in group.failures.items()
    ]
    unknown = [(r.name, r.failure or "") for r in aggregate.table.records if not r.has_settings]
    return known + unknown


def _run_label(aggregate: Aggregate, group: RunGroup, seed: Sequence[SettingValue]) -> str:
    label = [aggregate.label(group)] if aggregate.keys else []
    return " ".join([*label, aggregate.seed_label(seed)]).strip() or "all runs"


def _notes(aggregate: Aggregate) -> list[str]:
    over = " and ".join(aggregate.over) or "nothing"
    notes = [
        f"The runs of a group differ in {over} alone. `n` of them have the metric; `failed` ones "
        "don't, and count in no mean and no median.",
        f"`95 %` beside the mean: percentile bootstrap of the mean, {RESAMPLES:,} resamples. Of "
        "few seeds it is too narrow: of 5 normal values it holds the true mean in 83 % of cases.",
    ]
    if aggregate.target is not None:
        sign = "at most" if aggregate.lower_is_better else "at least"
        notes.append(
            f"`reached`: number of runs with {aggregate.metric} of {sign} {aggregate.target:g}, of "
            "all; a failure did not reach it. The interval is Wilson's."
        )
    if aggregate.comparisons:
        same = f", and not in {aggregate.x}" if aggregate.x and len(aggregate.keys) > 1 else ""
        notes += [
            "Paired: each group is compared on shared seeds with the group of the best mean among "
            f"those that differ from it in one setting alone{same}. `difference` is over the seeds "
            "on which both finished.",
            "`better` counts the seeds on which the group is better, of those on which the two "
            "differ; a failure is worse than any value. `sign p` is the exact two-sided sign test: "
            "with 5 seeds it can't be below 0.06. It is not corrected for multiple comparisons.",
        ]
    if "/free_" in aggregate.metric:
        notes.append("For a model that is fed no outputs `free_` scores are the plain ones.")
    return notes + [f"{remark[0].upper()}{remark[1:]}." for remark in aggregate.table.remarks]
