"""`metrics.csv`: one row a step, a column a metric."""

import csv
import io
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from rnnlab.errors import ConfigError
from rnnlab.files import write_whole


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
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns)
        writer.writeheader()
        writer.writerows(self._rows)
        write_whole(self.path, text.getvalue().encode())

    @rank_zero_only
    def finalize(self, status: str) -> None:  # noqa: ARG002
        """Save."""
        self.save()


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read a `metrics.csv`: one mapping a step, without the metrics not logged there.

    Raises:
        ConfigError: it isn't there, or isn't what was written.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [{name: float(value) for name, value in row.items() if value} for row in reader]
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing: the run didn't get so far") from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise ConfigError(f"{path} is damaged: {error}") from error
    if "step" not in (reader.fieldnames or []) or any("step" not in row for row in rows):
        raise ConfigError(f"{path} is damaged: it has rows without a step")
    return rows
