"""Writes the curve of training to `metrics.csv`."""

from collections.abc import Mapping
from pathlib import Path

from rnnlab.curve import read_curve, write_curve
from rnnlab.rank import is_helper


class CSVLog:
    """Writes every logged scalar to one file with the columns `step`, then metrics.

    Rows stay in memory and the file is written whole at each save, which comes with validations
    and checkpoints: a later metric may widen the table. What a clock measured (`time/...`) is left
    out, so that equal trainings leave equal files.

    Args:
        path: the file.
        step: where training goes on; later rows of an existing file are dropped.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self._columns: list[str] = ["step"]
        self._rows: list[dict[str, float]] = []
        if step and path.exists():
            for row in read_curve(path):
                if row["step"] <= step:
                    self.log_metrics(row, int(row["step"]))

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Keep a row; metrics of the same step share it."""
        values = {k: float(v) for k, v in metrics.items() if not k.startswith("time/")}
        row = {**values, "step": step}
        if self._rows and self._rows[-1]["step"] == row["step"]:
            self._rows[-1].update(row)
        else:
            self._rows.append(row)
        self._columns += [name for name in row if name not in self._columns]

    def save(self) -> None:
        """Bring the file up to date."""
        if not is_helper():
            write_curve(self.path, self._columns, self._rows)
