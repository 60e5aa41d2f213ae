"""`metrics.csv`: one row a step, a column a metric."""

import csv
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only


class CSVLog(Logger):
    """Writes every logged scalar to one file with the columns `step`, then metrics.

    Rows stay in memory and the file is written whole at each save, which comes with validations: a
    later metric may widen the table.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._columns: list[str] = ["step"]
        self._rows: list[dict[str, float]] = []

    @property
    def name(self) -> str:
        """Give the file's name."""
        return self.path.name

    @property
    def version(self) -> str:
        """Give nothing: a run directory has one file."""
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> "CSVLog":
        """Give itself."""
        return self

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: `config.yaml` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep a row; metrics of the same step share it."""
        row = {"step": step or 0, **{k: float(v) for k, v in metrics.items()}}
        if self._rows and self._rows[-1]["step"] == row["step"]:
            self._rows[-1].update(row)
        else:
            self._rows.append(row)
        self._columns += [name for name in row if name not in self._columns]

    @rank_zero_only
    def save(self) -> None:
        """Bring the file up to date."""
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(self._rows)

    @rank_zero_only
    def finalize(self, status: str) -> None:  # noqa: ARG002
        """Save."""
        self.save()


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read a `metrics.csv`: one mapping a step, without the metrics not logged there."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]
