"""Recordings of several channels with a label: `.ts` files, CSV files, and sktime's."""

from itertools import groupby

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.spelling import brief
from rnnlab.tasks.columns import LARGEST, number_in, read_rows
from rnnlab.tasks.recognition import Recording


def read_recordings(text: str, key: str, path: str) -> list[Recording]:
    """Read recordings from a file of one of two formats.

    `.ts` (Bagnall et al., 2018): a header of lines that begin with `@`, then a recording a line:
    the numbers of each channel with commas between, colons between the channels, the label last.

    CSV: a heading, then a line a step: a name of the recording, its label, a number for each
    channel. The steps of a recording are consecutive lines.

    Args:
        text: content of the file.
        key: its config key, for errors.
        path: its path, for errors.

    Raises:
        ConfigError: a line is not as it should be, or a number is missing.
    """
    first = next((line for line in text.split("\n") if line.strip() and line[0] != "#"), "")
    where = f"{key}: line {{}} of {path}"
    if first.startswith("@"):
        rows = _of_ts(text, where)
    else:
        rows = _of_csv(list(read_rows(text, ",", key, path)), where)
    sizes = {row.values.shape[1] for row in rows}
    if len(sizes) != 1:
        raise ConfigError(
            f"{key}: {path} must have recordings with one number of channels, got "
            f"{', '.join(map(str, sorted(sizes))) or 'no recording'}"
        )
    return rows


def _of_ts(text: str, where: str) -> list[Recording]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line or line[0] in "@#":
            continue
        *channels, label = line.split(":")
        numbers = [_numbers(channel.split(","), where.format(number)) for channel in channels]
        if not channels or not label or len({len(channel) for channel in numbers}) > 1:
            raise ConfigError(
                f"{where.format(number)} must be channels of one length and a label, got lengths "
                f"{[len(channel) for channel in numbers]} and label {label!r}"
            )
        rows.append(Recording(np.array(numbers, dtype=np.float32).T, label))
    return rows


def _of_csv(lines: list[tuple[int, list[str]]], where: str) -> list[Recording]:
    width = max(3, len(lines[0][1]) if lines else 0)
    steps = []
    for number, cells in lines[1:]:
        if len(cells) != width or not cells[1]:
            raise ConfigError(
                f"{where.format(number)} must be the name of a recording, a label, and a number "
                f"for each channel, {width} cells, got {len(cells)}: {brief(','.join(cells), 40)!r}"
            )
        steps.append(((cells[0], cells[1]), _numbers(cells[2:], where.format(number))))
    return [
        Recording(np.array([numbers for _, numbers in group], dtype=np.float32), label)
        for (_, label), group in groupby(steps, key=lambda step: step[0])
    ]


def _numbers(cells: list[str], where: str) -> list[float]:
    """Convert cells to numbers.

    Raises:
        ConfigError: one is not a number, or missing (`?`, NaN).
    """
    found = [number_in(cell) for cell in cells]
    for cell, number in zip(cells, found, strict=True):
        if not abs(number) < LARGEST:
            raise ConfigError(f"{where} must have a number in each step, got {cell.strip()!r}")
    return found
