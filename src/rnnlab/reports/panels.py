"""Arranging the groups of a sweep in lines and panels of a picture."""

import math
from collections.abc import Sequence
from itertools import cycle, product
from typing import Any, NamedTuple

import numpy as np

from rnnlab.plots.palette import COLORS, MARKERS
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.groups import RunGroup, format_value, is_numeric, values_of
from rnnlab.reports.table import SettingValue

_MOST_LINES, MOST_PANELS = 12, 9


class Line(NamedTuple):
    """Groups that are joined by a line, and the line's style."""

    label: str
    groups: Sequence[RunGroup]
    color: Any
    marker: str


class Panel(NamedTuple):
    """Lines that share a pair of axes."""

    title: str
    lines: Sequence[Line]


def choose_line(aggregate: Aggregate, keys: Sequence[str]) -> tuple[str | None, list[str]]:
    """Choose the setting whose values become lines, best a text; the others become panels.

    Tasks become panels, since their scores can't be compared.
    """
    lines = [key for key in keys if key != "task"]
    line = next(
        (key for key in lines if not is_numeric(aggregate.groups, key)), next(iter(lines), None)
    )
    return line, [key for key in keys if key != line]


def of_several_tasks(panels: Sequence[Panel]) -> bool:
    """Whether the groups of some panels have different tasks."""
    groups = (group for panel in panels for line in panel.lines for group in line.groups)
    return len({group.task for group in groups}) > 1


def arrange(aggregate: Aggregate, line: str | None, keys: Sequence[str]) -> list[Panel]:
    """Make a panel for each combination of values of `keys`, with a line for each of `line`.

    Those of one task are side by side. Too many values are thinned out evenly.
    """
    keys = sorted(keys, key=lambda key: key != "task")
    values = _thin(values_of(aggregate.groups, line), _MOST_LINES) if line else [None]
    styles = [
        (value, "" if line is None else _label(aggregate, line, value), color, marker)
        for value, color, marker in zip(
            values, _colors(aggregate, line, len(values)), cycle(MARKERS), strict=False
        )
    ]
    all_values = [values_of(aggregate.groups, key) for key in keys]
    sizes = [len(each) for each in all_values]
    while math.prod(sizes) > MOST_PANELS:
        sizes[sizes.index(max(sizes))] -= 1
    chosen = [_thin(each, size) for each, size in zip(all_values, sizes, strict=True)]
    panels = []
    for combination in product(*chosen):
        pairs = list(zip(keys, combination, strict=True))
        groups = [g for g in aggregate.groups if all(_same(g.settings[k], v) for k, v in pairs)]
        lines = []
        for value, label, color, marker in styles:
            joined = [g for g in groups if line is None or _same(g.settings[line], value)]
            if joined:
                lines.append(Line(label, joined, color, marker))
        if lines:
            panels.append(Panel(", ".join(_label(aggregate, *pair) for pair in pairs), lines))
    return panels


def _same(one: SettingValue, other: SettingValue) -> bool:
    return type(one) is type(other) and one == other


def _label(aggregate: Aggregate, key: str, value: SettingValue) -> str:
    """Format a value, unless it is a text with its setting's name before it."""
    name = aggregate.in_words(key)
    if value in (None, "none"):
        return f"no {name}"
    return format_value(value) if isinstance(value, str) else f"{name} {format_value(value)}"


def describe(aggregate: Aggregate, group: RunGroup, keys: Sequence[str] | None = None) -> str:
    """Format settings of a group for a label; by default all in which groups differ."""
    chosen = aggregate.keys if keys is None else keys
    return ", ".join(_label(aggregate, key, group.settings[key]) for key in chosen) or "all runs"


def first_lines(aggregate: Aggregate) -> list[Line]:
    """Make a line for each of the first groups, which of a random search are the best."""
    groups = [group for group in aggregate.groups if group.values]
    styles = zip(groups, COLORS, MARKERS, strict=False)
    return [Line(describe(aggregate, group), [group], *style) for group, *style in styles]


def _thin(values: Sequence[Any], most: int) -> list[Any]:
    """Choose at most `most` values at even distances, the first and last among them."""
    chosen = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[i] for i in chosen]


def _colors(aggregate: Aggregate, line: str | None, count: int) -> list[Any]:
    """Return distinct colours, or for numbers a sequence from dark to bright."""
    if line is None or not is_numeric(aggregate.groups, line) or count < 3:
        return [COLORS[i % len(COLORS)] for i in range(count)]
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 0.78, count)))
