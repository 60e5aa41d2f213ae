"""Columns of numbers over time, read from CSV files."""

import csv
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnlab.errors import ConfigError

_SEPARATORS = "\t;,"  # the first of them that the first line has
_SHOWN = 12  # names of columns in an error
LARGEST = 3e38  # number of float32


class Record(NamedTuple):
    """Numbers over time.

    Attributes:
        names: of the D columns.
        times: a text for each of the N rows.
        values: `(N, D)`.
    """

    names: tuple[str, ...]
    times: tuple[str, ...]
    values: NDArray[np.float64]


def read_columns(text: str, columns: Sequence[str | int] | None, key: str, path: str) -> Record:
    """Read columns of a CSV file, separated by tabs, semicolons or commas.

    The first line is a heading if it has a word above a number, or nothing above the first column.
    The times are the first column if there are several and it is not one of those asked for, else
    the numbers of the rows, from 1. With semicolons, decimals may have a comma.

    Args:
        text: content of the file.
        columns: names, or numbers from 1; `None` for the last column.
        key: the config key of the file, for errors.
        path: its path, for errors.

    Raises:
        ConfigError: a column is missing, or a row has no number there.
    """
    first, _, _ = text.partition("\n")
    separator = next((mark for mark in _SEPARATORS if mark in first), ",")
    numbered = list(read_rows(text, separator, key, path))
    if not numbered:
        raise ConfigError(f"{key}: {path} must have rows of numbers, got none")
    decimal_comma = separator == ";"
    heading = _heading([row for _, row in numbered[:2]], decimal_comma)
    rows = numbered[1:] if heading else numbered
    names = heading or [str(column + 1) for column in range(len(rows[0][1]))]
    chosen = [_place(column, names, key, path) for column in columns or [len(names)]]
    values = np.empty((len(rows), len(chosen)))
    for index, (number, row) in enumerate(rows):
        for side, column in enumerate(chosen):
            cell = row[column] if column < len(row) else ""
            values[index, side] = value = number_in(cell, decimal_comma=decimal_comma)
            if not abs(value) < LARGEST:
                raise ConfigError(
                    f"{key}: line {number} of {path} must have a number in the column "
                    f"{names[column]!r}, got {cell!r}"
                )
    timed = len(names) > 1 and 0 not in chosen
    times = [row[0] if timed else str(index) for index, (_, row) in enumerate(rows, start=1)]
    return Record(tuple(names[column] for column in chosen), tuple(times), values)


def read_rows(text: str, separator: str, key: str, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line that is not empty, from 1, and its cells without spaces.

    Raises:
        ConfigError: a line is not CSV.
    """
    lines = enumerate(text.split("\n"), start=1)
    for number, line in lines:
        try:
            (cells,) = csv.reader([line], delimiter=separator, strict=True) if line else [[]]
        except (csv.Error, ValueError) as error:
            raise ConfigError(f"{key}: line {number} of {path} is not CSV: {error}") from error
        if any(cell.strip() for cell in cells):
            yield number, [cell.strip() for cell in cells]


def _heading(first: list[list[str]], decimal_comma: bool) -> list[str] | None:
    """Return the names of the columns if the first of two rows is a heading."""
    if len(first) < 2:
        return None
    above, below = first
    words = (
        name
        and math.isnan(number_in(name, decimal_comma=decimal_comma))
        and math.isfinite(number_in(cell, decimal_comma=decimal_comma))
        for name, cell in zip(above, below, strict=False)
    )
    return above if (len(above) > 1 and not above[0]) or any(words) else None


def number_in(cell: str, *, decimal_comma: bool = False) -> float:
    """Convert a cell to a number, NaN if it is none."""
    try:
        return float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return math.nan


def _place(column: str | int, names: Sequence[str], key: str, path: str) -> int:
    """Return the place of a column, from 0."""
    if column in names:
        return names.index(str(column))
    numbers = [*map(str, range(1, len(names) + 1))]
    if str(column) in numbers:
        return numbers.index(str(column))
    shown = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if names[_SHOWN:] else "")
    raise ConfigError(
        f"task.column must name columns of {key}={path}, or number them from 1 to {len(names)}, "
        f"got {column!r}; it has {shown}"
    )
