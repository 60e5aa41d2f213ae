"""`metrics.csv`: one row a step, a column a metric."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnlab.errors import ConfigError
from rnnlab.files import write_whole


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
        ConfigError: it isn't there, or isn't what was written.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or []
            rows = [{name: float(value) for name, value in row.items() if value} for row in reader]
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing: the run didn't get so far") from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise ConfigError(f"{path} is damaged: {error}") from error
    if "step" not in columns or any("step" not in row for row in rows):
        raise ConfigError(f"{path} is damaged: it has rows without a step")
    return rows
