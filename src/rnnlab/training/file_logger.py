"""What Lightning takes for a logger, with a file of ours behind it."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers.logger import Logger

from rnnlab.runs.loggers import Events
from rnnlab.runs.metrics_csv import CSVLog
from rnnlab.training.resume import written


class FileLogger(Logger):
    """Passes on what Lightning and our callbacks log.

    Args:
        file: where to.
    """

    def __init__(self, file: CSVLog | Events) -> None:
        super().__init__()
        self.file = file

    @property
    def name(self) -> str:
        """Give the kind of file."""
        return type(self.file).__name__

    @property
    def version(self) -> str:
        """Give nothing: a run directory has one run."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `config.yaml` holds them."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Pass scalars on."""
        self.file.log_metrics(metrics, step or 0)

    def save(self) -> None:
        """Bring the file up to date."""
        self.file.save()

    def finalize(self, status: str) -> None:  # noqa: ARG002
        """Save, and stay open: final scores and samples follow training."""
        self.save()


def events_of(trainer: Trainer) -> list[Events]:
    """Give the files for TensorBoard that a trainer writes."""
    files = (logger.file for logger in trainer.loggers if isinstance(logger, FileLogger))
    return [file for file in files if isinstance(file, Events)]


def written_by(trainer: Trainer) -> dict[str, Any]:
    """Tell what the run's own files hold, for its checkpoint; nothing where there are none."""
    files = [logger.file for logger in trainer.loggers if isinstance(logger, FileLogger)]
    curves = [file for file in files if isinstance(file, CSVLog)]
    events = [file for file in files if isinstance(file, Events)]
    step = trainer.global_step
    return written(curves[0], events[0], step) if curves and events else {}
