"""Which groups of a sweep make a line of a picture, and which lines share a panel."""

import math
from collections.abc import Sequence
from itertools import cycle, product
from typing import Any, NamedTuple

import numpy as np

from rnnlab.plots.palette import COLORS, MARKERS
from rnnlab.report.aggregate import Analysis, Group, is_numeric, rank, spell
from rnnlab.report.table import Setting

_MOST_LINES, MOST_PANELS = 12, 9


class Line(NamedTuple):
    """Groups that are joined by a line, and how it looks."""

    label: str
    groups: Sequence[Group]
    color: Any
    marker: str


class Panel(NamedTuple):
    """Lines that share a pair of axes."""

    title: str
    lines: Sequence[Line]


def values_of(groups: Sequence[Group], key: str) -> list[Setting]:
    """Give the values of a setting, sorted."""
    return sorted({group.settings[key] for group in groups}, key=rank)


def split(analysis: Analysis, keys: Sequence[str]) -> tuple[str | None, list[str]]:
    """Choose the setting whose values are lines, a text before a number; the rest are panels."""
    line = next(
        (key for key in keys if not is_numeric(analysis.groups, key)), next(iter(keys), None)
    )
    return line, [key for key in keys if key != line]


def arrange(analysis: Analysis, line: str | None, keys: Sequence[str]) -> list[Panel]:
    """Give a panel for each combination of keys, with a line for each value of another key."""
    values = _some(values_of(analysis.groups, line), _MOST_LINES) if line else [None]
    looks = [
        (value, "" if line is None else _name(analysis, line, value), color, marker)
        for value, color, marker in zip(
            values, _colors(analysis, line, len(values)), cycle(MARKERS), strict=False
        )
    ]
    found = [values_of(analysis.groups, key) for key in keys]
    sizes = [len(some) for some in found]
    while math.prod(sizes) > MOST_PANELS:
        sizes[sizes.index(max(sizes))] -= 1
    chosen = [_some(some, size) for some, size in zip(found, sizes, strict=True)]
    panels = []
    for combination in product(*chosen):
        told = list(zip(keys, combination, strict=True))
        here = [g for g in analysis.groups if all(_same(g.settings[k], v) for k, v in told)]
        lines = []
        for value, name, color, marker in looks:
            own = [g for g in here if line is None or _same(g.settings[line], value)]
            if own:
                lines.append(Line(name, own, color, marker))
        if lines:
            panels.append(Panel(", ".join(_name(analysis, *pair) for pair in told), lines))
    return panels


def _same(one: Setting, other: Setting) -> bool:
    return type(one) is type(other) and one == other


def _name(analysis: Analysis, key: str, value: Setting) -> str:
    """Name a value, with its key where it doesn't speak for itself."""
    speaks = isinstance(value, str)
    return spell(value) if speaks else f"{analysis.short[key]} {spell(value)}"


def describe(analysis: Analysis, group: Group) -> str:
    """Name a group as a person would."""
    told = (_name(analysis, key, group.settings[key]) for key in analysis.keys)
    return ", ".join(told) or "all runs"


def best_lines(analysis: Analysis) -> list[Line]:
    """Give the best groups, if they come best first, a line each."""
    groups = [group for group in analysis.groups if group.values]
    looks = zip(groups, COLORS, MARKERS, strict=False)
    return [Line(describe(analysis, group), [group], *look) for group, *look in looks]


def _some(values: Sequence[Any], most: int) -> list[Any]:
    """Choose evenly among too many, the ends among them."""
    chosen = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[i] for i in chosen]


def _colors(analysis: Analysis, line: str | None, count: int) -> list[Any]:
    """Give colours that are far apart, or for numbers ones that go from dark to bright."""
    if line is None or not is_numeric(analysis.groups, line) or count < 3:
        return [COLORS[i % len(COLORS)] for i in range(count)]
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 0.78, count)))
