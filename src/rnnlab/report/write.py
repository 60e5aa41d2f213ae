"""A sweep's report: tables for a terminal, for a page and for other programs."""

import contextlib
import csv
import html
import io
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnlab.errors import ConfigError
from rnnlab.files.whole import below, clear_parts, write_whole
from rnnlab.report import charts
from rnnlab.report.aggregate import Analysis, Comparison, Group, rank, spell
from rnnlab.report.curves import read_curves, write_curves, write_hparams
from rnnlab.report.statistics import RESAMPLES, Interval
from rnnlab.report.table import Setting
from rnnlab.spelling import printable

WIDTH = 100  # of a terminal
_FILES = ("report.md", "table.csv", "runs.csv")
_TREES = ("curves", "hparams")
_SHOWN = 40  # rows of a table in a terminal


def write(analysis: Analysis, directory: Path, command: str) -> None:
    """Write the whole report, in the place of an earlier one.

    `report.md`, `table.csv`, `runs.csv`, pictures where matplotlib is installed, and for
    TensorBoard `curves/<group>/{mean,low,high}/` and `hparams/<group>/<seed>/`.

    Args:
        analysis: what is reported.
        directory: where to.
        command: that makes the report again.

    Raises:
        ConfigError: it can't be written there.
    """
    refuse_links(directory, [*_FILES, *charts.PICTURES, *_TREES])
    try:
        directory.mkdir(exist_ok=True)
        _remove_earlier(directory)
        curves = [read_curves(group) for group in analysis.groups]
        pictures = charts.draw(analysis, curves, directory) if charts.can_draw() else []
        write_curves(analysis, curves, directory / "curves")
        write_hparams(analysis, directory / "hparams")
        contents = (
            markdown(analysis, command, pictures),
            group_csv(analysis),
            run_csv(analysis),
        )
        for name, content in zip(_FILES, contents, strict=True):
            write_whole(directory / name, content.encode())
    except OSError as error:
        raise ConfigError(f"{directory} can't be written to: {error.strerror}") from error


def refuse_links(directory: Path, names: Sequence[str]) -> None:
    """Refuse a directory, or things in it, that are links: who follows them may write anywhere.

    Raises:
        ConfigError: one is a link, or neither a file nor a directory.
    """
    for path in (directory, *(directory / name for name in names)):
        if path.is_symlink():
            raise ConfigError(f"{path} is a link: it won't be followed")
        below(path.parent, path.name)


def _remove_earlier(directory: Path) -> None:
    """Remove what an earlier report wrote, and nothing else that lies there.

    Raises:
        ConfigError: where curves are written there is a link.
    """
    for name in (*_FILES, *charts.PICTURES):
        (directory / name).unlink(missing_ok=True)
    for tree in _TREES:
        for place, inner, names in os.walk(directory / tree, topdown=False):
            for name in (*inner, *names):
                refuse_links(Path(place) / name, [])
            for name in names:
                if name.startswith("events.out.tfevents."):
                    (Path(place) / name).unlink()
            with contextlib.suppress(OSError):  # something else lies there
                Path(place).rmdir()
    clear_parts(directory)


def terminal(analysis: Analysis) -> str:
    """Lay out groups, comparisons and failures in lines that fit a terminal."""
    heading, *rows = _group_table(analysis)
    blocks = [
        _title(analysis),
        _limited(_aligned([heading, *rows[:_SHOWN]]), len(rows) - _SHOWN),
    ]
    heading, *rows = _comparison_table(analysis)
    if rows:
        blocks.append(_limited(_aligned([heading, *rows[:_SHOWN]]), len(rows) - _SHOWN))
    failures = [printable(f"{name}  {reason}") for name, reason in _failures(analysis)]
    if failures:
        lines = ["failures", *(f"  {line}" for line in failures[:_SHOWN])]
        blocks.append(_limited(lines, len(failures) - _SHOWN))
    blocks += [printable(f"note: {remark}") for remark in analysis.table.remarks]
    return "\n".join(_cut(line, WIDTH) for line in "\n\n".join(blocks).splitlines())


def markdown(analysis: Analysis, command: str, pictures: Sequence[str]) -> str:
    """Write the report as a page: pictures, tables, failures, and how it was reckoned."""
    table = analysis.table
    name = _plain(table.directory.resolve().name)
    parts = [f"# {name}", _plain(_title(analysis)), f"    {printable(command)}"]
    if table.shared:
        words = " ".join(_code(f"{key}={value}") for key, value in table.shared.items())
        parts.append(f"All runs have {words}.")
    parts += [f"![{Path(name).stem}]({name})" for name in pictures]
    parts += ["## Groups", _page_table(_group_table(analysis))]
    heading, *rows = _comparison_table(analysis)
    if rows:
        parts += ["## Paired with the best", _page_table([heading, *rows])]
    failures = [[name, reason] for name, reason in _failures(analysis)]
    if failures:
        parts += ["## Failures", _page_table([["job", "reason"], *failures])]
    parts += ["## How to read it", "\n".join(f"- {note}" for note in _notes(analysis))]
    return "\n\n".join(parts) + "\n"


def group_csv(analysis: Analysis) -> str:
    """Write a row a group, with all digits."""
    rows = []
    for group in analysis.groups:
        size, mean, median, interval = group.summary
        statistics = {
            "metric": analysis.metric,
            "runs": group.total,
            "failures": len(group.failures),
            "scored": size,
            "mean": mean,
            "mean_low": interval.low,
            "mean_high": interval.high,
            "median": median,
            "target": analysis.target,
            "reached": group.reached,
            "success_rate": group.rate,
            "success_low": group.rate_interval.low,
            "success_high": group.rate_interval.high,
        }
        rows.append({**group.settings, **statistics})
    for pair in analysis.comparisons:
        row = rows[list(analysis.groups).index(pair.group)]
        row["best"] = analysis.label(pair.best)
        row["shared"] = pair.difference.size
        row["difference"] = pair.difference.mean
        row["difference_low"], row["difference_high"] = pair.difference.interval
        row["better"], row["worse"], row["sign_p"] = pair.signs
    return _csv(rows)


def run_csv(analysis: Analysis) -> str:
    """Write a row a run, with its settings, what came of it and all its scores."""
    keys = analysis.table.keys
    records = sorted(
        analysis.table.records, key=lambda record: [rank(record.settings.get(key)) for key in keys]
    )
    return _csv([{"job": r.name, **r.settings, "failure": r.failure, **r.scores} for r in records])


# What the tables hold.


def _title(analysis: Analysis) -> str:
    table = analysis.table
    seconds = sum(record.scores.get("seconds", 0.0) for record in table.records)
    failed = len(_failures(analysis))
    direction = "lower" if analysis.lower else "higher"
    told = [f"{analysis.metric}, {direction} is better", _count(len(table.records))]
    if failed:
        told.append(f"{failed} failed")
    if analysis.target is not None:
        told.append(f"target {analysis.target:g}")
    return ", ".join([*told, f"{_duration(seconds)} of training"])


def _group_table(analysis: Analysis) -> list[list[str]]:
    rated = ["reached", "95 %"] if analysis.target is not None else []
    keys = [analysis.short[key] for key in analysis.keys]
    rows = [[*keys, "n", "failed", "mean", "95 %", "median", *rated]]
    for group in analysis.groups:
        size, mean, median, interval = group.summary
        cells = [spell(group.settings[key]) for key in analysis.keys]
        cells += [str(size), str(len(group.failures) or "")]
        cells += [_number(mean), _span(interval), _number(median)]
        if rated:
            cells += [f"{group.reached}/{group.total}", _span(group.rate_interval, digits=2)]
        rows.append(cells)
    return rows


def _comparison_table(analysis: Analysis) -> list[list[str]]:
    rows = [["against the best", "of", "seeds", "difference", "95 %", "better", "sign p"]]
    return rows + [_comparison_row(analysis, pair) for pair in analysis.comparisons]


def _comparison_row(analysis: Analysis, pair: Comparison) -> list[str]:
    shared = [key for key in analysis.keys if pair.group.settings[key] == pair.best.settings[key]]
    others = [key for key in analysis.keys if key not in shared]
    better, worse, p = pair.signs
    return [
        analysis.label(pair.group),
        analysis.label(pair.best, others),
        str(pair.difference.size),
        f"{pair.difference.mean:+.3g}" if pair.difference.size else "",
        _span(pair.difference.interval, digits=3),
        f"{better}/{better + worse}",
        f"{p:.2g}",
    ]


def _failures(analysis: Analysis) -> list[tuple[str, str]]:
    """Give every job without the metric, its settings told, with its reason."""
    placed = [
        (_member(analysis, group, seed), reason)
        for group in analysis.groups
        for seed, reason in group.failures.items()
    ]
    others = [(r.name, r.failure or "") for r in analysis.table.records if not r.placed]
    return placed + others


def _member(analysis: Analysis, group: Group, seed: Sequence[Setting]) -> str:
    told = [analysis.label(group)] if analysis.keys else []
    return " ".join([*told, analysis.seed_label(seed)]).strip() or "all runs"


def _notes(analysis: Analysis) -> list[str]:
    over = " and ".join(analysis.over) or "nothing"
    notes = [
        f"`n` runs that differ in {over} alone have the metric; `failed` ones have not, and are in "
        "no mean and no median.",
        f"`95 %` beside the mean: percentile bootstrap of the mean, {RESAMPLES:,} resamples. Of "
        "few seeds it is too narrow: of 5 normal values it holds the true mean in 83 % of cases.",
    ]
    if analysis.target is not None:
        sign = "at most" if analysis.lower else "at least"
        notes.append(
            f"`reached`: runs with {analysis.metric} of {sign} {analysis.target:g}, of all; a "
            "failure did not reach it. Its interval is Wilson's."
        )
    if analysis.comparisons:
        same = f", and not in {analysis.x}" if analysis.x and len(analysis.keys) > 1 else ""
        notes += [
            "Paired: each group against the one of the best mean among those that differ from it "
            f"in one setting alone{same}, on shared seeds. `difference` is over the seeds on which "
            "both finished.",
            "`better` counts the seeds on which the group is better, of those on which the two "
            "differ; a failure is worse than any value. `sign p` is the exact two-sided sign test: "
            "5 seeds can't go below 0.06. It knows nothing of how many groups are compared.",
        ]
    if "/free_" in analysis.metric:
        notes.append("A model that reads none of its own answers runs free in any case.")
    return notes + [f"{remark[0].upper()}{remark[1:]}." for remark in analysis.table.remarks]


# How they are laid out.


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pad columns to their widths; texts too long for the line are cut, the longest first."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH and max(widths) > 5:
        widths[widths.index(max(widths))] -= 1
    right = [all(_looks_numeric(row[i]) for row in rows[1:]) for i in range(len(widths))]
    return [
        "  ".join(
            f"{_cut(cell, width):{'>' if is_right else '<'}{width}}"
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def _limited(lines: Sequence[str], more: int) -> str:
    return "\n".join([*lines, *([f"... and {more} more in report.md"] if more > 0 else [])])


def _page_table(rows: Sequence[Sequence[str]]) -> str:
    heading, *others = [[_plain(cell) for cell in row] for row in rows]
    columns = range(len(heading))
    right = [all(_looks_numeric(row[i]) for row in others) for i in columns]
    rule = ["---:" if is_right else "---" for is_right in right]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heading, rule, *others])


def _plain(text: str) -> str:
    """Spell a text for a page, on which it is neither HTML nor a link nor the end of a cell."""
    escaped = html.escape(printable(text), quote=False)
    return re.sub(r"[\\|`*]|!(?=\[)|\](?=\()", r"\\\g<0>", escaped)


def _code(text: str) -> str:
    """Spell a text in a fixed width, between more backticks than it has."""
    text = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def _looks_numeric(cell: str) -> bool:
    return not cell.strip("0123456789+-.e/, []inf")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    rows = [{printable(name): _cell(value) for name, value in row.items()} for row in rows]
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Give what stands in a cell for a value: nothing for NaN, and no text that can't be shown."""
    if isinstance(value, str):
        return printable(value)
    return "" if value != value else value


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"


def _span(interval: Interval, digits: int = 4) -> str:
    if math.isnan(interval.low):
        return ""
    return f"[{interval.low:.{digits}g}, {interval.high:.{digits}g}]"


def _count(runs: int) -> str:
    return f"{runs} run" if runs == 1 else f"{runs} runs"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
