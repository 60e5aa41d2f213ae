"""Writes the curve of training to `metrics.csv`."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnlab.files.whole import write_whole
from rnnlab.process.rank import is_helper
from rnnlab.runs.curve import spell_curve


class CSVLog:
    """Writes every logged scalar to one file with the columns `step`, then metrics.

    Rows stay in memory and the file is written whole at each save, which comes with validations
    and checkpoints: a later metric may widen the table. What a clock measured (`time/...`) is left
    out, so that equal trainings leave equal files.

    Args:
        path: the file.
        rows: those before where training goes on.
    """

    def __init__(self, path: Path, rows: Sequence[Mapping[str, float]] = ()) -> None:
        self.path = path
        self._columns: list[str] = ["step"]
        self._rows: list[dict[str, float]] = []
        for row in rows:
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

    def text(self, step: float = math.inf) -> str:
        """Give what the file holds up to a step once it is saved; a checkpoint keeps it too."""
        rows = [row for row in self._rows if row["step"] <= step]
        held = {name for row in rows for name in row}
        return spell_curve([name for name in self._columns if name in held or not rows], rows)

    def save(self) -> None:
        """Bring the file up to date."""
        if not is_helper():
            write_whole(self.path, self.text().encode())
