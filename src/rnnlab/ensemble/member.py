"""One member of an ensemble: its run directory, its curve, its best weights, its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnlab.files import checkpoint
from rnnlab.runs.metrics_csv import CSVLog
from rnnlab.runs.run import Run
from rnnlab.runs.tensorboard import Events
from rnnlab.training.best_weights import BestWeights
from rnnlab.training.optimizers import take_fused_steps
from rnnlab.training.prepare import Prepared, without_compiler
from rnnlab.training.resume_point import ResumePoint, log_state


class Member:
    """What a run has for itself while its updates are computed with those of others.

    Args:
        run: its run directory.
        prepared: its experiment, optimizer and scheduler.
        point: where training continues.

    Attributes:
        param_group: the settings of its optimizer, as torch's `param_groups` holds them.
        events: its TensorBoard events.
        resumed_from: content of the checkpoint that it continues from, or `None`.
        best: its best weights.
        scores: of the last validation.
        time_before: wall and CPU time before this session.
        time_spent: wall and CPU time up to its newest checkpoint.
        saved_step: updates in its newest checkpoint.
    """

    def __init__(self, run: Run, prepared: Prepared, point: ResumePoint) -> None:
        self.run = run
        self.experiment = experiment = prepared.experiment
        self.make_scheduler = prepared.make_scheduler
        total = experiment.training.total_steps(experiment.data.train_rows)
        with without_compiler():
            optimizer = prepared.make_optimizer(experiment.model.parameters())
            take_fused_steps(optimizer)
            prepared.make_scheduler(optimizer, total, experiment.mode)
            self.param_group = optimizer.state_dict()["param_groups"][0]
        self.optimizer_class = type(optimizer)
        self.total_steps = total
        self.best = BestWeights(experiment.mode, experiment.training.patience)
        self.scores: Mapping[str, float] = {}
        self.time_before = {"seconds": 0.0, "cpu_seconds": 0.0}
        self.saved_step = point.step
        self.resumed_from = None if point.file is None else checkpoint.read(Path(point.file))
        if self.resumed_from is not None:
            self.best.load(self.resumed_from["best"])
            self.time_before = self.resumed_from["costs"]
        self.time_spent = self.time_before
        self._csv = CSVLog(run.file("metrics.csv"), point.rows)
        self.events = Events(run.path, point.step, experiment.task.higher_is_better, point.records)

    def log(self, row: Mapping[str, float], step: int) -> None:
        """Buffer a row of scalars until `write`."""
        self._csv.log_metrics(row, step)
        self.events.log_metrics(row, step)

    def log_state(self, step: int) -> dict[str, Any]:
        """Return what was logged up to a step, as its checkpoint stores it."""
        return log_state(self._csv, self.events, step)

    def save(self, content: dict[str, Any]) -> None:
        """Write a checkpoint, after the curve, which must reach at least as far."""
        self.write()
        directory = self.run.path / "checkpoints"
        checkpoint.write(directory / checkpoint.LAST, content, keep=directory / checkpoint.PREVIOUS)

    def has_saved(self, content: dict[str, Any]) -> None:
        """Record that this checkpoint is on disk."""
        self.saved_step, self.time_spent = content["global_step"], content["costs"]

    def write(self) -> None:
        """Write the curve, the events and the best weights."""
        self._csv.save()
        self.events.save()
        if self.best.content is not None:
            checkpoint.write(self.run.path / "checkpoints" / checkpoint.BEST, self.best.content)
