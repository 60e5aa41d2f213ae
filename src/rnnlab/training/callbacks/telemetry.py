"""Logs all scalars: those of training every `log_every` updates, and those of validations."""

import time
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor

from rnnlab.experiment.settings import TrainerSettings
from rnnlab.process.ddp import all_gather, is_single_process
from rnnlab.spec import Batch
from rnnlab.tasks.base import Scorer, Task
from rnnlab.training.module import SequenceModule


class Telemetry(L.Callback):
    """Logs `train/` and `time/` scalars every `log_every` updates and at the last one.

    In Lightning each `self.log` costs 0.3 to 0.9 ms a step; here a step costs one addition. The
    loss is the mean over the updates since the last row, each the mean over all answered steps of
    its batches; the other metrics are those of the last batch. Scores of a validation are logged
    at the number of updates before it.

    Args:
        training: gives the number of batches accumulated per update.
    """

    def __init__(self, training: TrainerSettings) -> None:
        self.accumulate = training.accumulate
        self._loss: Tensor | None = None
        self._batches = 0
        self._steps_done = 0
        self._since = 0.0
        self._symbols = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the sum of losses of each DDP process, and the number of batches in it."""
        return {"loss": all_gather(self._loss), "batches": self._batches}

    def on_load_checkpoint(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        """Restore this process's sum of losses."""
        state = checkpoint["callbacks"][self.state_key]
        self._loss, self._batches = state["loss"][trainer.global_rank], state["batches"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Start the clock, and move a restored sum to the device."""
        self._since = time.perf_counter()
        if self._loss is not None:
            self._loss = self._loss.to(pl_module.device)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Add the loss, and log a row if it is time."""
        assert isinstance(pl_module, SequenceModule)
        loss = outputs["loss"].detach()
        if self.accumulate > 1:
            loss = loss * self.accumulate  # Lightning divided it
        self._loss = loss if self._loss is None else self._loss + loss
        self._batches += 1
        self._symbols += batch.input.shape[0] * batch.input.shape[1]
        if (batch_idx + 1) % self.accumulate == 0:
            self._steps_done += 1
            if pl_module.is_logged(trainer.global_step):
                self._log(trainer, pl_module, outputs["output"], batch)

    @torch.no_grad()
    def _log(
        self, trainer: L.Trainer, module: SequenceModule, output: Tensor, batch: Batch
    ) -> None:
        assert self._loss is not None
        scores = _scores(module.task, output, batch)
        scores["loss"] = float(trainer.strategy.reduce(self._loss / self._batches))
        row = {f"train/{name}": value for name, value in scores.items()}
        if module.grad_norm is not None:
            row["train/grad_norm"] = float(module.grad_norm)
        row["train/learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        now = time.perf_counter()
        row["time/steps_per_second"] = self._steps_done / (now - self._since)
        row["time/symbols_per_second"] = trainer.world_size * self._symbols / (now - self._since)
        for logger in trainer.loggers:
            logger.log_metrics(row, step=trainer.global_step)
        self._loss, self._batches, self._steps_done, self._symbols = None, 0, 0, 0
        self._since = now

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Log the validation scores, and exclude the validation from the training speed."""
        scores = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        for logger in trainer.loggers:
            logger.log_metrics(scores, step=trainer.global_step)
            logger.save()
        self._steps_done, self._symbols = 0, 0
        self._since = time.perf_counter()


def _scores(task: Task, output: Tensor, batch: Batch) -> dict[str, float]:
    """Score a batch, whose rows DDP processes may share."""
    means = task.metrics(output, batch)
    if is_single_process():
        scores = {name: float(mean.value) for name, mean in means.items()}
        return scores | task.derived(scores)
    own, whole = Scorer(task), Scorer(task)
    if batch.weight is None or batch.weight[0] > 0:
        own.add(means)
    for share in all_gather(own.parts()):
        whole.merge(share)
    return whole.compute()
