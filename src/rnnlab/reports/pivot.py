"""A table of two directions: the values of some settings down, of the others across."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnnlab.config.suggestions import did_you_mean
from rnnlab.errors import ConfigError
from rnnlab.metric import base_name
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

        The best mean of each column is bold, if tasks are down that of each row: only scores of one
        task can be compared.
        """
        cells = {
            (self._values(group, self.rows), self._values(group, self.columns)): group
            for group in self.aggregate.groups
        }
        downs, acrosses = (
            sorted({place[side] for place in cells}, key=lambda each: [sort_key(v) for v in each])
            for side in (0, 1)
        )
        names = [self.aggregate.short_names[key] for key in self.rows]
        body = [
            [*map(format_value, down), *(_cell(cells.get((down, across))) for across in acrosses)]
            for down in downs
        ]
        heading = [*names, *map(self._title, acrosses)]
        bold = self._best(cells, downs, acrosses)
        floors = [self._floors(_scored(cells, 0, each)) for each in downs]
        if any(len(found) > 1 for found in floors) or "task" not in self.rows:
            across = [self._floors(_scored(cells, 1, each)) for each in acrosses]
            if any(across) and all(len(found) < 2 for found in across):
                body.append(["floor", *[""] * (len(names) - 1), *map(_floor, across)])
                floors = []
        if any(floors) and all(len(found) < 2 for found in floors):
            heading.append("floor")
            body = [[*row, _floor(found)] for row, found in zip(body, floors, strict=True)]
        return Table([heading, *body], bold)

    def _values(self, group: RunGroup, keys: Sequence[str]) -> Values:
        return tuple(group.settings[key] for key in keys)

    def _floors(self, groups: Sequence[RunGroup]) -> set[float]:
        name = base_name(self.aggregate.metric)
        return {floor for group in groups for floor in group.floors(name)}

    def _title(self, across: Values) -> str:
        named = zip(self.columns, across, strict=True)
        names = self.aggregate.short_names
        return ", ".join(
            format_value(value) if isinstance(value, str) else f"{names[key]} {format_value(value)}"
            for key, value in named
        )

    def _best(
        self,
        cells: Mapping[tuple[Values, Values], RunGroup],
        downs: Sequence[Values],
        acrosses: Sequence[Values],
    ) -> frozenset[tuple[int, int]]:
        along = 0 if "task" in self.rows else 1
        best = min if self.aggregate.lower_is_better else max
        places = set()
        for each in (downs, acrosses)[along]:
            means = [group.summary.mean for group in _scored(cells, along, each)]
            places |= {
                (1 + downs.index(place[0]), len(self.rows) + acrosses.index(place[1]))
                for place, group in cells.items()
                if place[along] == each and len(means) > 1
                if group.values and group.summary.mean == best(means)
            }
        return frozenset(places)


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
            f"{argument}={key} is not swept here"
            + (did_you_mean(key, keys) or f": it takes {', '.join(keys) or 'none'}")
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


def _scored(
    cells: Mapping[tuple[Values, Values], RunGroup], side: int, values: Values
) -> list[RunGroup]:
    """Return the groups of one row (side 0) or column (side 1) that have the metric."""
    return [group for place, group in cells.items() if place[side] == values and group.values]


def _cell(group: RunGroup | None) -> str:
    if group is None:
        return ""
    if not group.values:
        return "failed"
    shown = plus_minus(group.summary.mean, group.summary.sd)
    return f"{shown} ({len(group.failures)} failed)" if group.failures else shown


def _floor(found: set[float]) -> str:
    return number(next(iter(found))) if found else ""
