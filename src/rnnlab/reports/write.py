"""Writing a report: Markdown, CSV, LaTeX, pictures, TensorBoard events."""

import math
import os
from pathlib import Path
from typing import Any

from rnnlab.errors import ConfigError
from rnnlab.files.atomic import refuse_links, remove_part_files, write_atomically
from rnnlab.plots.files import can_draw
from rnnlab.reports import charts, latex
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.charts import PictureSettings
from rnnlab.reports.curves import write_curves, write_hparams
from rnnlab.reports.events import remove_events
from rnnlab.reports.groups import sort_key
from rnnlab.reports.layout import csv_text
from rnnlab.reports.markdown import markdown
from rnnlab.reports.report import Report, file_suffix
from rnnlab.reports.table import RunTable

_FILES = ("report.md", "table.csv", "runs.csv", "table.tex")
_PIVOT = "pivot{}.tex"
_TREES = ("curves", "hparams")


def write(
    report: Report, directory: Path, command: str, settings: PictureSettings | None = None
) -> None:
    """Write the whole report, replacing an earlier one.

    Written are `report.md`, `table.csv`, `runs.csv`, `table.tex`, `pivot.tex` if there is a pivot,
    pictures if matplotlib is installed, and for TensorBoard `curves/<group>/{mean,low,high}/` and
    `hparams/<group>/<seed>/`.

    Args:
        report: the report.
        directory: directory of the report; made if missing.
        command: the command line, quoted in the report.
        settings: formats and size of the pictures.

    Raises:
        ConfigError: the directory can't be written to.
    """
    refuse_links(directory, [])
    refuse_links(directory, [*_earlier(report.table, directory), *_TREES])
    first = report.first
    try:
        directory.mkdir(exist_ok=True)
        _remove_earlier(report.table, directory)
        drawn = can_draw()
        pictures = charts.draw(report, directory, settings or PictureSettings()) if drawn else {}
        write_curves(first, report.sections[0].curves, directory / "curves")
        write_hparams(first, directory / "hparams")
        contents = {
            "report.md": markdown(report, command, pictures),
            "table.csv": group_csv(report),
            "runs.csv": run_csv(report.table),
            "table.tex": latex.tabular(latex.group_table(report), command),
        }
        for section in report.sections:
            if section.pivot is not None:
                name = _PIVOT.format(section.suffix)
                contents[name] = latex.tabular(section.pivot.table(), command)
        for name, content in contents.items():
            write_atomically(directory / name, content.encode())
    except OSError as error:
        raise ConfigError(f"{directory} can't be written to: {error.strerror}") from error


def _earlier(table: RunTable, directory: Path) -> list[str]:
    """List the files in a directory that have the name of one that a report of these runs has."""
    suffixes = ["", *map(file_suffix, table.metrics)]
    names = {*_FILES, *map(_PIVOT.format, suffixes), *charts.file_names(suffixes)}
    found = os.listdir(directory) if directory.is_dir() else []
    return sorted(names.intersection(found))


def _remove_earlier(table: RunTable, directory: Path) -> None:
    """Remove the files of an earlier report, and no others.

    Raises:
        ConfigError: there is a link among the curves.
    """
    for name in _earlier(table, directory):
        (directory / name).unlink(missing_ok=True)
    for tree in _TREES:
        remove_events(directory / tree)
    remove_part_files(directory)


def group_csv(report: Report) -> str:
    """Format the groups as CSV, a row for each metric of each, in full precision."""
    return csv_text([row for each in report.sections for row in group_rows(each.aggregate)])


def group_rows(aggregate: Aggregate) -> list[dict[str, Any]]:
    """Return settings, statistics and comparison of each group."""
    rows: list[dict[str, Any]] = []
    for group in aggregate.groups:
        size, mean, median, sd, interval = group.summary
        statistics = {
            "metric": aggregate.metric,
            "runs": group.total,
            "failures": len(group.failures),
            "scored": size,
            "mean": mean,
            "sd": sd,
            "mean_low": interval.low,
            "mean_high": interval.high,
            "interval": group.interval,
            "median": median,
            "floor": math.nan if (floor := aggregate.floor([group])) is None else floor,
            "mean_parameters": group.mean_cost("parameters"),
            "mean_seconds": group.mean_cost("seconds"),
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
        difference, signs, permutation_p = pair.evidence
        row["shared"] = difference.size
        row["difference"] = difference.mean
        row["difference_low"], row["difference_high"] = difference.interval
        row["better"], row["worse"], row["sign_p"] = signs
        row["permutation_p"] = permutation_p
    return rows


def run_csv(table: RunTable) -> str:
    """Format the runs as CSV, a row each: settings, failure and all scores."""
    keys = table.keys
    records = sorted(
        table.records,
        key=lambda record: [sort_key(record.settings.get(key)) for key in keys],
    )
    return csv_text(
        [{"job": r.name, **r.settings, "failure": r.failure, **r.scores} for r in records]
    )
