r"""A report's tables for LaTeX, by the rules of the package booktabs.

A file holds a `tabular` alone, to be read by `\input` inside a `table`.
"""

import math
import re
from collections.abc import Sequence

from rnnlab.metric import words
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.groups import RunGroup, format_value
from rnnlab.reports.layout import even_span, is_numeric_column, number, plus_minus
from rnnlab.reports.pivot import Table
from rnnlab.reports.report import Report
from rnnlab.reports.table import SettingValue
from rnnlab.spelling import printable

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
_POWER = re.compile(r"(?<=[\d)])e([+-]\d+)")


def escape(text: str) -> str:
    """Escape a text so that LaTeX shows it as it is."""
    return "".join(_SPECIAL.get(letter, letter) for letter in printable(text))


def tabular(table: Table, command: str) -> str:
    """Format a table as a `tabular`; columns of numbers go right.

    Args:
        table: the cells.
        command: the command line that made it, for a comment.
    """
    width = len(table.rows[0])
    sides = "".join("r" if is_numeric_column(table.rows, i) else "l" for i in range(width))
    heading, *body = [
        [_cell(cell, bold=(n, i) in table.bold) for i, cell in enumerate(row)]
        for n, row in enumerate(table.rows)
    ]
    lines = [
        f"% {printable(command)}",
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
        _line(heading),
        r"\midrule",
        *(_line(row) for row in body[:-1]),
        *([r"\midrule"] if body and body[-1][0] == "floor" else []),
        *(_line(row) for row in body[-1:]),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def group_table(report: Report) -> Table:
    """Return a row for each group: settings, then of each metric mean, interval and floor, costs.

    A metric that a group doesn't have leaves its cells empty.
    """
    by_settings: dict[tuple[SettingValue, ...], dict[int, RunGroup]] = {}
    for section, each in enumerate(report.sections):
        for group in each.aggregate.groups:
            by_settings.setdefault(tuple(group.settings.values()), {})[section] = group
    rows = [*by_settings.values()]
    some = [next(iter(row.values())) for row in rows]
    names = report.first.short_names
    columns = [(names[k], [format_value(g.settings[k]) for g in some]) for k in report.first.keys]
    columns.append(("n", [str(max(g.summary.size for g in row.values())) for row in rows]))
    for section, each in enumerate(report.sections):
        columns += _of_metric(each.aggregate, [row.get(section) for row in rows])
    for cost, digits in (("parameters", ",.0f"), ("seconds", ",.3g")):
        values = [group.mean_cost(cost) for group in some]
        columns.append((cost, ["" if math.isnan(v) else f"{v:{digits}}" for v in values]))
    kept = [(title, *cells) for title, cells in columns if any(cells)]
    return Table([list(row) for row in zip(*kept, strict=True)])


def _of_metric(
    aggregate: Aggregate, groups: Sequence[RunGroup | None]
) -> list[tuple[str, list[str]]]:
    scored = [group if group is not None and group.values else None for group in groups]
    floors = [None if group is None else aggregate.floor([group]) for group in scored]
    summaries = [None if group is None else group.summary for group in scored]
    return [
        (
            words(aggregate.metric),
            ["" if s is None else plus_minus(s.mean, s.sd) for s in summaries],
        ),
        ("95 % interval", ["" if s is None else even_span(s.interval) for s in summaries]),
        ("floor", ["" if floor is None else number(floor) for floor in floors]),
    ]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(text: str, *, bold: bool) -> str:
    shown = escape(text).replace("\N{PLUS-MINUS SIGN}", r"$\pm$")
    shown = _POWER.sub(lambda power: rf" $\cdot 10^{{{int(power[1])}}}$", shown)
    return rf"\textbf{{{shown}}}" if bold else shown
