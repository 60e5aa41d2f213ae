"""When to save, which weights are best, and when there has been no better for long enough."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as L
from omegaconf import OmegaConf

from rnnlab.experiment.experiment import Experiment
from rnnlab.files import checkpoint
from rnnlab.metric import is_better
from rnnlab.training.callbacks.finite import Finite
from rnnlab.training.file_logger import written_by
from rnnlab.training.stopping import Signals, Stopped


class Checkpoints(L.Callback):
    """Saves training between two updates, and chooses the best weights after each validation.

    `last.ckpt` is all that training needs to go on, the best weights and the score that chose them
    among it: one file, so that no two can disagree. `previous.ckpt` is the one before it.
    `best.ckpt` has the best weights alone.

    A checkpoint that is due waits for the beginning of the next update: by then everything about
    the last one, validation and schedules too, is done.

    Args:
        directory: where they are.
        experiment: says which metric chooses the best, how often to save, and the patience. Its
            config goes into the checkpoint, so that nobody goes on with another run.
        finite: refuses to save what has diverged.
        signals: ask training to stop.

    Attributes:
        saved_step: updates in the newest checkpoint.
    """

    def __init__(
        self,
        directory: Path,
        experiment: Experiment,
        finite: Finite,
        signals: Signals,
    ) -> None:
        self.directory = directory
        self.cfg = experiment.cfg
        self.mode = experiment.mode
        self.training = experiment.training
        self.finite = finite
        self.signals = signals
        self.saved_step = 0
        self.best_score: float | None = None
        self.best_weights: dict[str, Any] | None = None
        self._since_best = 0
        self._due = False
        self._saved_at = 0.0
        self._costs = {"seconds": 0.0, "cpu_seconds": 0.0}
        self._began = {"seconds": 0.0, "cpu_seconds": 0.0}

    @property
    def costs(self) -> dict[str, float]:
        """Time spent on what was kept, over all processes that went on with each other."""
        return {
            name: self._costs[name] + now - self._began[name] for name, now in _clocks().items()
        }

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Start the clocks."""
        self._began, self._saved_at = _clocks(), time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights if they are the best so far; stop if none have been for too long."""
        score = float(trainer.callback_metrics[self.cfg.monitor])
        self._due = True
        self._since_best += 1
        if is_better(score, self.best_score, self.mode):
            self._since_best = 0
            self.best_score = score
            self.best_weights = {
                "state_dict": {
                    name: value.detach().cpu().clone()
                    for name, value in pl_module.state_dict().items()
                },
                "global_step": trainer.global_step,
            }
            self._write_best(trainer)
        self._stop_if_out_of_patience(trainer)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """See whether a checkpoint is due by updates or by time."""
        every, minutes = self.training.save_every, self.training.save_minutes
        by_step = every is not None and trainer.global_step % every == 0
        age = time.monotonic() - self._saved_at
        by_time = minutes is not None and age > minutes * 60
        self._due = self._due or by_step or by_time

    def on_train_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Save if it is time, and stop if told to."""
        if batch_idx % trainer.accumulate_grad_batches:
            return
        told = self._is_told_to_stop(trainer)
        if trainer.strategy.reduce_boolean_decision(self._due or told, all=False):
            self._save(trainer)
        if told:
            raise Stopped

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Save the end."""
        if trainer.global_step > self.saved_step:
            self._save(trainer)
        if self._is_told_to_stop(trainer):
            raise Stopped

    def on_save_checkpoint(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Add what was best, the time spent, the config, and what our loggers wrote."""
        checkpoint["best"] = {
            "score": self.best_score,
            "weights": self.best_weights,
            "since": self._since_best,
        }
        checkpoint["costs"] = self.costs
        checkpoint["config"] = OmegaConf.to_container(self.cfg, resolve=True)
        checkpoint["written"] = written_by(trainer)

    def on_load_checkpoint(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Go on from what was best then, whatever was written after it."""
        best = checkpoint["best"]
        self.best_score, self.best_weights = best["score"], best["weights"]
        self._since_best = best["since"]
        self._costs = checkpoint["costs"]
        self.saved_step = checkpoint["global_step"]
        self._write_best(trainer)
        self._stop_if_out_of_patience(trainer)

    def _is_told_to_stop(self, trainer: L.Trainer) -> bool:
        # Processes save and stop together, though their clocks and signals differ.
        told = self.signals.received is not None
        return bool(trainer.strategy.reduce_boolean_decision(told, all=False))

    def _stop_if_out_of_patience(self, trainer: L.Trainer) -> None:
        patience = self.training.patience
        if patience is not None and self._since_best >= patience:
            trainer.should_stop = True

    def _save(self, trainer: L.Trainer) -> None:
        self.finite.check(trainer)
        for logger in trainer.loggers:  # the curve must reach at least as far as the checkpoint
            logger.save()
        trainer.save_checkpoint(self.directory / checkpoint.LAST)
        self.saved_step, self._saved_at, self._due = trainer.global_step, time.monotonic(), False

    def _write_best(self, trainer: L.Trainer) -> None:
        if trainer.is_global_zero and self.best_weights is not None:
            checkpoint.write(self.directory / checkpoint.BEST, self.best_weights)


def _clocks() -> dict[str, float]:
    return {"seconds": time.perf_counter(), "cpu_seconds": time.process_time()}
