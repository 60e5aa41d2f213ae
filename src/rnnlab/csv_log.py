"""Writes the curve of training to `metrics.csv`."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from rnnlab.curve import read_curve, write_curve


class CSVLog(Logger):
    """Writes every logged scalar to one file with the columns `step`, then metrics.

    Rows stay in memory and the file is written whole at each save, which comes with validations
    and checkpoints: a later metric may widen the table. What a clock measured (`time/...`) is left
    out, so that equal trainings leave equal files.

    Args:
        path: the file.
        step: where training goes on; later rows of an existing file are dropped.
    """

    def __init__(self, path: Path, step: int) -> None:
        super().__init__()
        self.path = path
        self._columns: list[str] = ["step"]
        self._rows: list[dict[str, float]] = []
        if step and path.exists():
            for row in read_curve(path):
                if row["step"] <= step:
                    self.log_metrics(row, int(row["step"]))

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
        values = {k: float(v) for k, v in metrics.items() if not k.startswith("time/")}
        row = {**values, "step": step or 0}
        if self._rows and self._rows[-1]["step"] == row["step"]:
            self._rows[-1].update(row)
        else:
            self._rows.append(row)
        self._columns += [name for name in row if name not in self._columns]

    @rank_zero_only
    def save(self) -> None:
        """Bring the file up to date."""
        write_curve(self.path, self._columns, self._rows)

    @rank_zero_only
    def finalize(self, status: str) -> None:  # noqa: ARG002
        """Save."""
        self.save()
