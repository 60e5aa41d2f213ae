"""A report as a page of Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnlab.reports.layout import code, escape, markdown_table
from rnnlab.reports.notes import notes
from rnnlab.reports.report import Report, Section
from rnnlab.reports.tables import (
    comparison_table,
    failures,
    group_table,
    importance_table,
    matching_table,
    metric_and_key,
    title,
)
from rnnlab.spelling import printable


def markdown(report: Report, command: str, pictures: Mapping[str, str]) -> str:
    """Format the report: pictures, tables, failures and methods.

    Args:
        report: the report.
        command: the command line.
        pictures: file name -> caption, of the pictures that a browser shows.
    """
    table = report.table
    parts = [f"# {escape(table.directory.resolve().name)}", escape(title(report.first))]
    parts.append(f"    {printable(command)}")
    if table.shared:
        shared = " ".join(code(f"{key}={value}") for key, value in table.shared.items())
        parts.append(f"All runs have {shared}.")
    for name, caption in pictures.items():
        parts += [f"![{Path(name).stem}]({name})", *([f"*{escape(caption)}*"] if caption else [])]
    for section in report.sections:
        parts += _section(section, several=len(report.sections) > 1)
    failed = dict.fromkeys(row for each in report.sections for row in failures(each.aggregate))
    if failed:
        parts += ["## Failures", markdown_table([("job", "reason"), *failed])]
    parts += ["## How to read it", "\n".join(f"- {note}" for note in notes(report))]
    return "\n\n".join(parts) + "\n"


def _section(section: Section, *, several: bool) -> list[str]:
    aggregate = section.aggregate
    of = f": {escape(metric_and_key(aggregate.metric))}" if several else ""
    parts = []
    if section.pivot is not None:
        pivot = section.pivot.table()
        parts += [f"## Mean and standard deviation{of}", markdown_table(pivot.rows, pivot.bold)]
    parts += [f"## Groups{of}", markdown_table(group_table(aggregate))]
    if section.matching is not None:
        compared = matching_table(aggregate, section.matching)
        parts.append(f"## {escape(section.matching.key)} compared{of}")
        parts += ["; ".join(map(escape, section.matching.summary)) + ".", *_table_if_any(compared)]
    elif aggregate.comparisons:
        parts += [f"## Paired with the best{of}", markdown_table(comparison_table(aggregate))]
    if section.importances:
        found = importance_table(aggregate, section.importances)
        parts += [f"## Importance of settings{of}", markdown_table(found)]
    return parts


def _table_if_any(rows: Sequence[Sequence[str]]) -> list[str]:
    return [markdown_table(rows)] if len(rows) > 1 else []
