"""`metrics.csv`: one row a step, a column a metric."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnlab.errors import ConfigError, Damaged, Missing
from rnnlab.files import write_whole
from rnnlab.foreign import LARGEST_TABLE, read_text


def write_curve(
    path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, float | int]]
) -> None:
    """Write the file whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read a `metrics.csv`: one mapping a step, without the metrics not logged there.

    Raises:
        Damaged: it isn't what was written.
        ConfigError: it isn't there.
    """
    try:
        text = io.StringIO(read_text(path, largest=LARGEST_TABLE), newline="")
    except Missing as error:
        raise ConfigError(f"{error}: the run didn't get so far") from error
    try:
        reader = csv.DictReader(text, strict=True)
        columns = reader.fieldnames or []
        rows = [{name: float(value) for name, value in row.items() if value} for row in reader]
    except (ValueError, TypeError, csv.Error) as error:
        raise Damaged(f"{path} is damaged: {error}") from error
    steps = [row.get("step", math.nan) for row in rows]
    if "step" not in columns or not all(0 <= step < 2**53 and step % 1 == 0 for step in steps):
        raise Damaged(f"{path} is damaged: it has rows without a step")
    return rows
