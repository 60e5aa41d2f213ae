"""Saves checkpoints, keeps the best weights, and stops early."""

from pathlib import Path
from typing import Any

import lightning.pytorch as L
from omegaconf import OmegaConf

from rnnlab.experiment.experiment import Experiment
from rnnlab.files import checkpoint
from rnnlab.process.clocks import clocks
from rnnlab.training.best_weights import BestWeights
from rnnlab.training.callbacks.divergence import DivergenceCheck
from rnnlab.training.file_logger import trainer_log_state
from rnnlab.training.save_schedule import SaveSchedule
from rnnlab.training.stopping import Stopped, StopSignals


class Checkpoints(L.Callback):
    """Saves checkpoints between updates, and keeps the best weights after each validation.

    `last.ckpt` holds all that resuming needs, also the best weights and their score: one file, so
    that no two can disagree. `previous.ckpt` is the one before it. `best.ckpt` holds the best
    weights alone.

    A checkpoint that is due is saved at the start of the next update, when validation and
    schedulers of the last one are done.

    Args:
        directory: the directory of the checkpoints.
        experiment: gives the monitored metric, the save interval, the patience, and the config,
            which the checkpoint stores so that no other run resumes from it.
        divergence: prevents saving a training that has diverged.
        signals: request a stop.

    Attributes:
        saved_step: updates in the newest checkpoint.
        best: the best weights.
    """

    def __init__(
        self,
        directory: Path,
        experiment: Experiment,
        divergence: DivergenceCheck,
        signals: StopSignals,
    ) -> None:
        self.directory = directory
        self.cfg = experiment.cfg
        self.training = experiment.training
        self.divergence = divergence
        self.signals = signals
        self.saved_step = 0
        self.best = BestWeights(experiment.mode, self.training.patience)
        self.schedule = SaveSchedule(self.training.save_every, self.training.save_minutes)
        self._due = False
        self._time_before = {"seconds": 0.0, "cpu_seconds": 0.0}
        self._began = {"seconds": 0.0, "cpu_seconds": 0.0}

    @property
    def time_spent(self) -> dict[str, float]:
        """Wall and CPU time of the training, over all sessions that resumed each other."""
        return {
            name: self._time_before[name] + now - self._began[name]
            for name, now in clocks().items()
        }

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Start the clocks."""
        self._began = clocks()
        self.schedule.restart()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights if they are the best so far; stop if the patience is over."""
        score = float(trainer.callback_metrics[self.cfg.monitor])
        self._due = True
        if self.best.add(score, trainer.global_step, pl_module.state_dict):
            self._write_best(trainer)
        trainer.should_stop |= self.best.patience_is_over

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Note whether a checkpoint is due by updates or by time."""
        self._due = self._due or self.schedule.is_due(trainer.global_step)

    def on_train_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Save if a checkpoint is due, and stop if a signal was received."""
        if batch_idx % trainer.accumulate_grad_batches:
            return
        stop = self._stop_requested(trainer)
        if trainer.strategy.reduce_boolean_decision(self._due or stop, all=False):
            self._save(trainer)
        if stop:
            raise Stopped

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Save the last update."""
        if trainer.global_step > self.saved_step:
            self._save(trainer)
        if self._stop_requested(trainer):
            raise Stopped

    def on_save_checkpoint(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Add the best weights, the time spent, the config, and the state of our loggers."""
        checkpoint["best"] = self.best.state()
        checkpoint["costs"] = self.time_spent
        checkpoint["config"] = OmegaConf.to_container(self.cfg, resolve=True)
        checkpoint["written"] = trainer_log_state(trainer)

    def on_load_checkpoint(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Restore the best weights of then; a later `best.ckpt` is overwritten."""
        self.best.load(checkpoint["best"])
        self._time_before = checkpoint["costs"]
        self.saved_step = checkpoint["global_step"]
        self._write_best(trainer)
        trainer.should_stop |= self.best.patience_is_over

    def _stop_requested(self, trainer: L.Trainer) -> bool:
        """Whether any DDP process received a signal; they save and stop together."""
        received = self.signals.received is not None
        return bool(trainer.strategy.reduce_boolean_decision(received, all=False))

    def _save(self, trainer: L.Trainer) -> None:
        self.divergence.check(trainer)
        for logger in trainer.loggers:  # the curve must reach at least as far as the checkpoint
            logger.save()
        trainer.save_checkpoint(self.directory / checkpoint.LAST)
        self.saved_step, self._due = trainer.global_step, False
        self.schedule.restart()

    def _write_best(self, trainer: L.Trainer) -> None:
        if trainer.is_global_zero and self.best.content is not None:
            checkpoint.write(self.directory / checkpoint.BEST, self.best.content)
