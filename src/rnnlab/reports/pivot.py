"""A table of two directions: the values of some settings down, of the others across."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rnnlab.config.suggestions import hint
from rnnlab.errors import ConfigError
from rnnlab.metric import base_name, words
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.groups import RunGroup, format_value, sort_key
from rnnlab.reports.layout import number, plus_minus
from rnnlab.reports.table import SettingValue

Values = tuple[SettingValue, ...]


class Table(NamedTuple):
    """The cells of a table, the heading first, and the places (row, column) that are bold."""

    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Pivot:
    """Groups by two sets of settings.

    Attributes:
        aggregate: the groups.
        rows: the settings whose values go down.
        columns: the settings whose values go across.
    """

    aggregate: Aggregate
    rows: Sequence[str]
    columns: Sequence[str]

    def table(self) -> Table:
        """Return mean and standard deviation of each group, and a row or column of floors.

        The best mean of each column is bold, or of each row where columns mix tasks: only scores of
        one task can be compared.
        """
        downs, acrosses = self._places(0), self._places(1)
        name = words(self.aggregate.metric)
        names = [self.aggregate.short_names[key] for key in self.rows] or [""]
        heading = [*names, *(self._title(across) or name for across in acrosses)]
        body = [
            [
                *([*map(format_value, down)] or [name]),
                *(_cell(self._cells.get((down, across))) for across in acrosses),
            ]
            for down in downs
        ]
        bold = frozenset(
            (1 + downs.index(down), len(names) + acrosses.index(across))
            for down, across in self._best()
        )
        by_row, by_column = (self._floors(side) for side in (0, 1))
        if by_column and not (self._mixes_tasks(1) and by_row):
            body.append(["floor", *[""] * (len(names) - 1), *by_column])
        elif by_row:
            heading.append("floor")
            body = [[*row, floor] for row, floor in zip(body, by_row, strict=True)]
        return Table([heading, *body], bold)

    @cached_property
    def _cells(self) -> dict[tuple[Values, Values], RunGroup]:
        """Row and column -> group."""
        return {
            (self._values(group, self.rows), self._values(group, self.columns)): group
            for group in self.aggregate.groups
        }

    def _places(self, side: int) -> list[Values]:
        """Return the rows (side 0) or the columns (side 1)."""
        found = {place[side] for place in self._cells}
        return sorted(found, key=lambda each: [sort_key(value) for value in each])

    def _lines(self, side: int) -> list[dict[tuple[Values, Values], RunGroup]]:
        """Return the groups that have the metric of each row (side 0) or column (side 1)."""
        return [
            {place: g for place, g in self._cells.items() if place[side] == each and g.values}
            for each in self._places(side)
        ]

    def _mixes_tasks(self, side: int) -> bool:
        return any(len({group.task for group in line.values()}) > 1 for line in self._lines(side))

    def _best(self) -> Iterator[tuple[Values, Values]]:
        side = 0 if self._mixes_tasks(1) else 1
        if self._mixes_tasks(side):
            return
        best = min if self.aggregate.lower_is_better else max
        for line in self._lines(side):
            means = {place: group.summary.mean for place, group in line.items()}
            if len(means) > 1:
                yield from (place for place in means if means[place] == best(means.values()))

    def _floors(self, side: int) -> list[str]:
        """Return the floor of each row or column; nothing if none or one has several."""
        name = base_name(self.aggregate.metric)
        found = [{f for g in line.values() for f in g.floors(name)} for line in self._lines(side)]
        if not any(found) or any(len(floors) > 1 for floors in found):
            return []
        return [number(floors.pop()) if floors else "" for floors in found]

    def _values(self, group: RunGroup, keys: Sequence[str]) -> Values:
        return tuple(group.settings[key] for key in keys)

    def _title(self, across: Values) -> str:
        named = zip(self.columns, across, strict=True)
        names = self.aggregate.short_names
        return ", ".join(
            format_value(value) if isinstance(value, str) else f"{names[key]} {format_value(value)}"
            for key, value in named
        )


def make_pivot(
    aggregate: Aggregate, rows: Sequence[str] | None, columns: Sequence[str] | None
) -> Pivot | None:
    """Check the settings of a pivot; if those of one direction are not given, they are the rest.

    Returns:
        The pivot, or `None` if neither direction is given.

    Raises:
        ConfigError: a setting is unknown, named twice, or in neither; one line each.
    """
    if rows is None and columns is None:
        return None
    keys, problems = aggregate.keys, []
    for argument, given in (("rows", rows), ("columns", columns)):
        problems += [
            f"{argument}={key} is not swept here{hint(key, keys)}"
            for key in given or ()
            if key not in keys
        ]
    named = [*(rows or ()), *(columns or ())]
    left = [key for key in keys if key not in named]
    problems += [f"rows and columns both have {k}" for k in set(named) if named.count(k) > 1]
    if rows is not None and columns is not None and left and not problems:
        problems.append(
            f"rows and columns must have every setting that groups differ in: {', '.join(left)} is "
            "missing; add it to one of them, or to over= to aggregate over it"
        )
    if problems:
        raise ConfigError("\n".join(problems))
    return Pivot(aggregate, left if rows is None else rows, left if columns is None else columns)


def _cell(group: RunGroup | None) -> str:
    if group is None:
        return ""
    if not group.values:
        return "failed"
    shown = plus_minus(group.summary.mean, group.summary.sd)
    return f"{shown} ({len(group.failures)} failed)" if group.failures else shown
