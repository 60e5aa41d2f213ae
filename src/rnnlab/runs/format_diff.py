"""Formatting of the differences of two runs as text."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from shlex import join
from textwrap import wrap
from typing import Any

from rnnlab.files.untrusted import RunCard
from rnnlab.runs.diff import ABSENT, Row, Section, read_card
from rnnlab.runs.run import Run
from rnnlab.spelling import brief, printable

_WIDTH = 100
_NO_CARD: RunCard = {"status": ""}


def format_diff(first: Run, second: Run, sections: Sequence[Section]) -> str:
    """Format the two runs, the parts in which they differ, and those in which they are equal."""
    blocks = [_heading(first, second)]
    blocks += [_block(section) for section in sections if section.differs or section.caveats]
    same = [section.name for section in sections if not section.differs and not section.caveats]
    if same:
        blocks.append(f"the same bit for bit: {', '.join(same)}")
    return "\n\n".join(blocks)


def _heading(first: Run, second: Run) -> str:
    """Format the two runs, with status, time and command, which may differ between equal runs."""
    runs = {"first": first, "second": second}
    lines = _aligned([(name, str(run.path), _circumstances(run)) for name, run in runs.items()])
    one, other = ((read_card(run) or _NO_CARD).get("command", []) for run in runs.values())
    for name, command, others in (("first", one, other), ("second", other, one)):
        if own := join(word for word in command if word not in others):
            lines.append(brief(printable(f"only the {name} command has {own}"), _WIDTH))
    return "\n".join(lines)


def _circumstances(run: Run) -> str:
    card = read_card(run) or _NO_CARD
    seconds = card.get("seconds")
    sessions = len(card.get("sessions", []))
    facts = [
        card["status"],
        card.get("started", "")[:19].replace("T", " "),
        f"{seconds:,.1f} s" if seconds is not None else "",
        f"{sessions} sessions" if sessions > 1 else "",
    ]
    return ", ".join(filter(None, facts))


def _block(section: Section) -> str:
    """Format a section: a table of its rows, then its remarks and caveats."""
    lines = [section.name]
    if section.rows:
        columns = ("first", "second", *(["difference"] if section.measured else []))
        format_row = _measurements if section.measured else _settings
        cells = [(f"  {row.name}", *format_row(row)) for row in section.rows]
        lines = _aligned([(section.name, *columns), *cells])
    fill = partial(wrap, width=_WIDTH, initial_indent="  ", subsequent_indent="    ")
    remarks = map(printable, [*section.remarks, *section.caveats])
    return "\n".join([*lines, *chain(*map(fill, remarks))])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the columns of a table; after a second cell that is too wide, a new line starts."""
    rows = [[printable(cell) for cell in row] for row in rows]
    name, _, *rest = (max(map(len, column)) for column in zip(*rows, strict=True))
    room = max(_WIDTH - name - sum(rest) - 2 * (len(rest) + 1), len("first"))
    inner = max((len(row[1]) for row in rows if len(row[1]) <= room), default=0)
    pieces = chain(
        *([row] if len(row[1]) <= room else [row[:2], ("", "", *row[2:])] for row in rows)
    )
    widths = (name, inner, *rest)
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(piece, widths, strict=False)).rstrip()
        for piece in pieces
    ]


def _settings(row: Row) -> tuple[str, str]:
    """Format two settings, with quotes if 1 and the text "1" would look the same without."""
    return _distinct(row, [_plain, _exact])


def _measurements(row: Row) -> tuple[str, str, str]:
    """Format two numbers, with as many digits as it takes to see that they differ, and by how much.

    The difference is second - first.
    """
    texts = _distinct(row, [partial(_rounded, digits=digits) for digits in range(4, 18)])
    if not row.differs:
        return *texts, "0"
    if not all(isinstance(value, int | float) and value == value for value in row[1:]):
        return *texts, ""
    difference = row.second - row.first
    return *texts, f"{difference:+.4g}" if isinstance(difference, float) else f"{difference:+}"


def _distinct(row: Row, formats: Sequence[Callable[[Any], str]]) -> tuple[str, str]:
    """Format two values by the first format in which different values look different."""
    for to_text in formats:
        texts = to_text(row.first), to_text(row.second)
        if texts[0] != texts[1] or not row.differs:
            break
    return texts


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and value and value.isprintable() else _exact(value)


def _exact(value: Any) -> str:
    return "-" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _rounded(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else _exact(value)
