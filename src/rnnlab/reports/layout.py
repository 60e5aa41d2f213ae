"""Texts of reports: aligned columns, tables of Markdown, CSV, numbers."""

import csv
import html
import io
import math
import re
from collections.abc import Sequence
from typing import Any

from rnnlab.reports.statistics import Interval
from rnnlab.spelling import printable

WIDTH = 100  # of a terminal


def aligned(rows: Sequence[Sequence[str]], width: int = WIDTH) -> list[str]:
    """Pad cells to columns; where a line is longer than `width` the widest columns are cut."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > 5:
        widths[widths.index(max(widths))] -= 1
    right = [all(_looks_numeric(row[i]) for row in rows[1:]) for i in range(len(widths))]
    return [
        "  ".join(
            f"{cut(cell, size):{'>' if is_right else '<'}{size}}"
            for cell, size, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def limited(lines: Sequence[str], more: int) -> str:
    """Join lines, and say how many more the report has."""
    return "\n".join([*lines, *([f"... and {more} more in report.md"] if more > 0 else [])])


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows, the heading first, as a table of Markdown; columns of numbers go right."""
    heading, *others = [[escape(cell) for cell in row] for row in rows]
    columns = range(len(heading))
    right = [all(_looks_numeric(row[i]) for row in others) for i in columns]
    rule = ["---:" if is_right else "---" for is_right in right]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heading, rule, *others])


def escape(text: str) -> str:
    """Escape a text for a Markdown table, so that it is shown as it is."""
    escaped = html.escape(printable(text), quote=False)
    return re.sub(r"[\\|`*]|!(?=\[)|\](?=\()", r"\\\g<0>", escaped)


def code(text: str) -> str:
    """Format a text as Markdown code, between more backticks than it contains."""
    text = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def cut(text: str, width: int) -> str:
    """Cut a text at a width, with an ellipsis."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Format rows as CSV, with a column for each key that one of them has."""
    rows = [{printable(name): _cell(value) for name, value in row.items()} for row in rows]
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
    return text.getvalue()


def number(value: float) -> str:
    """Format a number in four digits; NaN as nothing."""
    return "" if math.isnan(value) else f"{value:.4g}"


def span(interval: Interval, digits: int = 4) -> str:
    """Format an interval; without values as nothing."""
    if math.isnan(interval.low):
        return ""
    return f"[{interval.low:.{digits}g}, {interval.high:.{digits}g}]"


def count_runs(runs: int) -> str:
    """Format a number of runs."""
    return f"{runs} run" if runs == 1 else f"{runs} runs"


def duration(seconds: float) -> str:
    """Format seconds as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _looks_numeric(cell: str) -> bool:
    return not cell.strip("0123456789+-.e/, []inf")


def _cell(value: Any) -> Any:
    """Prepare a value for CSV: NaN becomes empty, and unprintable characters are escaped."""
    if isinstance(value, str):
        return printable(value)
    return "" if value != value else value
