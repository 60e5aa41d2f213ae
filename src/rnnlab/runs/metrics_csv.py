"""The learning curve of a run in `metrics.csv`: a row for each logged step, a column a metric."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnlab.errors import ConfigError, Damaged, Missing
from rnnlab.files.atomic import write_atomically
from rnnlab.files.untrusted import LARGEST_TABLE, read_text
from rnnlab.process.rank import is_launched_rank


class CSVLog:
    """Writes all logged scalars to `metrics.csv`, with the columns `step`, then metrics.

    Rows stay in memory, and each save, at validations and checkpoints, rewrites the file, since a
    new metric adds a column. Metrics measured by a clock (`time/...`) are left out, so that equal
    trainings write equal files.

    Args:
        path: the file.
        rows: the rows before the step that training resumes from.
    """

    def __init__(self, path: Path, rows: Sequence[Mapping[str, float]] = ()) -> None:
        self.path = path
        self._columns: list[str] = ["step"]
        self._rows: list[dict[str, float]] = []
        for row in rows:
            self.log_metrics(row, int(row["step"]))

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Add a row; metrics of the same step share it."""
        values = {k: float(v) for k, v in metrics.items() if not k.startswith("time/")}
        row = {**values, "step": step}
        if self._rows and self._rows[-1]["step"] == row["step"]:
            self._rows[-1].update(row)
        else:
            self._rows.append(row)
        self._columns += [name for name in row if name not in self._columns]

    def text(self, step: float = math.inf) -> str:
        """Return the content of the file up to a step, as a checkpoint stores it too."""
        rows = [row for row in self._rows if row["step"] <= step]
        logged = {name for row in rows for name in row}
        return format_curve([name for name in self._columns if name in logged or not rows], rows)

    def save(self) -> None:
        """Rewrite the file."""
        if not is_launched_rank():
            write_atomically(self.path, self.text().encode())


def format_curve(columns: Sequence[str], rows: Sequence[Mapping[str, float | int]]) -> str:
    """Format rows as the text of a `metrics.csv`."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read a `metrics.csv`: a mapping for each row, without the metrics not logged at its step.

    Raises:
        Damaged: it is not what `CSVLog` writes.
        ConfigError: it is missing.
    """
    try:
        return parse_curve(read_text(path, largest=LARGEST_TABLE), str(path))
    except Missing as error:
        raise ConfigError(f"{error}: the run didn't get so far") from error


def parse_curve(text: str, source: str) -> list[dict[str, float]]:
    """Parse the text of a `metrics.csv`, the inverse of `format_curve`.

    Args:
        text: the text.
        source: where it was read, for errors.

    Raises:
        Damaged: it is not what `CSVLog` writes.
    """
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        columns = reader.fieldnames or []
        rows = [{name: float(value) for name, value in row.items() if value} for row in reader]
    except (ValueError, TypeError, csv.Error) as error:
        raise Damaged(f"{source} is damaged: {error}") from error
    steps = [row.get("step", math.nan) for row in rows]
    if "step" not in columns or not all(0 <= step < 2**53 and step % 1 == 0 for step in steps):
        raise Damaged(f"{source} is damaged: it has rows without a step")
    return rows
