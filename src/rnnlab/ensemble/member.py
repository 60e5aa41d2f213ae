"""One member of a group: its run directory, its curve, its best weights and its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnlab.files import checkpoint
from rnnlab.runs.metrics_csv import CSVLog
from rnnlab.runs.run import Run
from rnnlab.runs.tensorboard import Events
from rnnlab.training.best_weights import BestWeights
from rnnlab.training.prepare import Prepared, without_compiler
from rnnlab.training.resume_point import ResumePoint, log_state


class Member:
    """What a run needs beside the arithmetic that it shares with others.

    Args:
        run: its directory.
        prepared: what a run alone would train with.
        at: where it goes on.

    Attributes:
        param_group: the settings of its own optimizer, as torch has them.
        events: its file for TensorBoard.
        saved: what its checkpoint held, or `None` at the very beginning.
        best: its best weights.
        scores: of the last validation.
        costs: time spent before this session.
        spent: time spent on what its newest checkpoint holds.
        saved_step: updates in its newest checkpoint.
    """

    def __init__(self, run: Run, prepared: Prepared, at: ResumePoint) -> None:
        self.run = run
        self.experiment = experiment = prepared.experiment
        self.make_scheduler = prepared.make_scheduler
        total = experiment.training.total_steps(experiment.data.train_rows)
        with without_compiler():
            optimizer = prepared.make_optimizer(experiment.model.parameters())
            prepared.make_scheduler(optimizer, total, experiment.mode)
            self.param_group = optimizer.state_dict()["param_groups"][0]
        self.optimizer_class = type(optimizer)
        self.total_steps = total
        self.best = BestWeights(experiment.mode, experiment.training.patience)
        self.scores: Mapping[str, float] = {}
        self.costs = {"seconds": 0.0, "cpu_seconds": 0.0}
        self.spent = self.costs
        self.saved_step = 0
        self.saved = None if at.file is None else checkpoint.read(Path(at.file))
        if self.saved is not None:
            self.best.load(self.saved["best"])
            self.costs = self.saved["costs"]
            self.spent = self.costs
            self.saved_step = at.step
        self._csv = CSVLog(run.file("metrics.csv"), at.rows)
        self.events = Events(run.path, at.step, experiment.task.higher_is_better, at.records)

    def log(self, row: Mapping[str, float], step: int) -> None:
        """Keep a row of scalars; `write` brings it to the files."""
        self._csv.log_metrics(row, step)
        self.events.log_metrics(row, step)

    def written(self, step: int) -> dict[str, Any]:
        """Tell what its files hold up to an update."""
        return log_state(self._csv, self.events, step)

    def save(self, content: dict[str, Any]) -> None:
        """Write a checkpoint, and the curve first, which must reach at least as far."""
        self.write()
        directory = self.run.path / "checkpoints"
        checkpoint.write(directory / checkpoint.LAST, content, keep=directory / checkpoint.PREVIOUS)
        self.saved_step, self.spent = content["global_step"], content["costs"]

    def write(self) -> None:
        """Bring curve, events and best weights up to date."""
        self._csv.save()
        self.events.save()
        if self.best.content is not None:
            checkpoint.write(self.run.path / "checkpoints" / checkpoint.BEST, self.best.content)
