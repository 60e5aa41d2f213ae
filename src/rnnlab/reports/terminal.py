"""A report as text for the terminal."""

from collections.abc import Sequence

from rnnlab.reports.layout import WIDTH, aligned, cut, limited
from rnnlab.reports.pivot import Table
from rnnlab.reports.report import Report, Section
from rnnlab.reports.tables import (
    comparison_table,
    failures,
    group_table,
    importance_table,
    matching_table,
    title,
)
from rnnlab.spelling import printable

_SHOWN = 40  # rows of a table


def terminal(report: Report) -> str:
    """Format each metric's title, groups and comparisons, then failures and notes."""
    blocks = [block for section in report.sections for block in _section(section)]
    failed = dict.fromkeys(
        printable(f"{name}  {reason}")
        for section in report.sections
        for name, reason in failures(section.aggregate)
    )
    if failed:
        lines = ["failures", *(f"  {line}" for line in [*failed][:_SHOWN])]
        blocks.append(limited(lines, len(failed) - _SHOWN))
    blocks += [printable(f"note: {remark}") for remark in report.remarks]
    return "\n".join(cut(line, WIDTH) for line in "\n\n".join(blocks).splitlines())


def _section(section: Section) -> list[str]:
    aggregate = section.aggregate
    blocks = [title(aggregate)]
    pivot = _starred(section.pivot.table()) if section.pivot else None
    if pivot is not None and _width(pivot) <= WIDTH:
        blocks.append(_cut_table(pivot))
    else:
        blocks.append(_cut_table(_narrow(group_table(aggregate))))
    if pivot is not None and _width(pivot) > WIDTH:
        blocks.append("the table of rows and columns is wider than this, and in report.md")
    if section.matching is not None:
        if section.matching.pairs:
            blocks.append(_cut_table(matching_table(aggregate, section.matching)))
        blocks.append("\n".join(section.matching.summary))
    elif aggregate.comparisons:
        blocks.append(_cut_table(comparison_table(aggregate)))
    if section.importances and not aggregate.is_grid:
        blocks.append(_cut_table(importance_table(aggregate, section.importances)))
    return blocks


def _cut_table(rows: Sequence[Sequence[str]]) -> str:
    heading, *others = rows
    return limited(aligned([heading, *others[:_SHOWN]]), len(others) - _SHOWN)


def _narrow(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """Leave out columns that are least missed, while a table is wider than the terminal."""
    for name in ("median", "floor", "seconds", "params"):
        if _width(rows) > WIDTH and name in rows[0]:
            left = [i for i, each in enumerate(rows[0]) if each != name]
            rows = [[row[i] for i in left] for row in rows]
    return rows


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Return the width of a table whose columns are two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return sum(widths) + 2 * (len(widths) - 1)


def _starred(table: Table) -> list[list[str]]:
    """Mark the bold cells by stars, with as much space in the others of their columns."""
    columns = {column for _, column in table.bold}
    return [
        [
            f"{cell} *" if (n, i) in table.bold else f"{cell}  " if i in columns else cell
            for i, cell in enumerate(row)
        ]
        for n, row in enumerate(table.rows)
    ]
