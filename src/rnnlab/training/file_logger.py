"""A Lightning logger that writes to `metrics.csv` or TensorBoard events."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers.logger import Logger

from rnnlab.runs.metrics_csv import CSVLog
from rnnlab.runs.tensorboard import Events
from rnnlab.training.resume_point import log_state


class FileLogger(Logger):
    """Passes the scalars that Lightning and our callbacks log to a file.

    Args:
        file: the file.
    """

    def __init__(self, file: CSVLog | Events) -> None:
        super().__init__()
        self.file = file

    @property
    def name(self) -> str:
        """The kind of file."""
        return type(self.file).__name__

    @property
    def version(self) -> str:
        """Empty, since a run directory holds one run."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `config.yaml` holds them."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Pass scalars to the file."""
        self.file.log_metrics(metrics, step or 0)

    def save(self) -> None:
        """Write what is buffered to disk."""
        self.file.save()

    def finalize(self, status: str) -> None:  # noqa: ARG002
        """Save without closing: final scores and samples follow training."""
        self.save()


def event_files(trainer: Trainer) -> list[Events]:
    """Return the TensorBoard event files that a trainer logs to."""
    files = (logger.file for logger in trainer.loggers if isinstance(logger, FileLogger))
    return [file for file in files if isinstance(file, Events)]


def trainer_log_state(trainer: Trainer) -> dict[str, Any]:
    """Return what a trainer has logged, for its checkpoint; empty without our own loggers."""
    files = [logger.file for logger in trainer.loggers if isinstance(logger, FileLogger)]
    curves = [file for file in files if isinstance(file, CSVLog)]
    events = [file for file in files if isinstance(file, Events)]
    return log_state(curves[0], events[0], trainer.global_step) if curves and events else {}
