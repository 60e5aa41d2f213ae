"""`metrics.csv`: one row a step, a column a metric."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnlab.errors import ConfigError, Damaged, Missing
from rnnlab.files.foreign import LARGEST_TABLE, read_text


def spell_curve(columns: Sequence[str], rows: Sequence[Mapping[str, float | int]]) -> str:
    """Give the text of the file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read a `metrics.csv`: one mapping a step, without the metrics not logged there.

    Raises:
        Damaged: it isn't what was written.
        ConfigError: it isn't there.
    """
    try:
        return parse_curve(read_text(path, largest=LARGEST_TABLE), str(path))
    except Missing as error:
        raise ConfigError(f"{error}: the run didn't get so far") from error


def parse_curve(text: str, where: str) -> list[dict[str, float]]:
    """Read the text of a `metrics.csv`, the inverse of `spell_curve`.

    Raises:
        Damaged: it isn't what was written; the message says `where`.
    """
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        columns = reader.fieldnames or []
        rows = [{name: float(value) for name, value in row.items() if value} for row in reader]
    except (ValueError, TypeError, csv.Error) as error:
        raise Damaged(f"{where} is damaged: {error}") from error
    steps = [row.get("step", math.nan) for row in rows]
    if "step" not in columns or not all(0 <= step < 2**53 and step % 1 == 0 for step in steps):
        raise Damaged(f"{where} is damaged: it has rows without a step")
    return rows
