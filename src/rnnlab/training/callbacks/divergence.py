"""Stops a training that has diverged, before a checkpoint is saved."""

import math
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor

from rnnlab.errors import Diverged
from rnnlab.process.ddp import all_gather
from rnnlab.training.module import SequenceModule
from rnnlab.training.stopping import divergence_message

_LOSS = "the training loss"


class DivergenceCheck(L.Callback):
    """Raises `Diverged` once the loss, its gradient or a validation loss is not finite.

    On the CPU each update is checked. On other devices reading a number would synchronise, so
    there the numbers are collected and checked every `every` updates, and before each validation
    and checkpoint. All DDP processes check at the same updates, and stop if one of them diverged.

    Args:
        every: updates between two checks on devices other than the CPU.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._unchecked: list[tuple[int, str, Tensor]] = []
        self._last_loss = math.nan

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Collect the loss and the gradient's norm, and check them if it is time."""
        assert isinstance(pl_module, SequenceModule)
        whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        step = trainer.global_step if whole else trainer.global_step + 1
        self._unchecked.append((step, _LOSS, outputs["mean"]))
        # With float16 the gradient scaler skips an update whose gradient overflows.
        if whole and pl_module.grad_norm is not None and trainer.precision != "16-mixed":
            self._unchecked.append((step, "the gradient's norm", pl_module.grad_norm))
        if whole and (_is_free(pl_module.device) or len(self._unchecked) >= 2 * self.every):
            self.check(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Check all updates before the validation."""
        self.check(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Check the validation loss."""
        loss = trainer.callback_metrics["val/loss"]
        self._unchecked.append((trainer.global_step, "the validation loss", loss))
        self.check(trainer)

    def check(self, trainer: L.Trainer) -> None:
        """Check all collected numbers; a collective call of all DDP processes.

        Raises:
            Diverged: a number is not finite, in this process or in another one.
        """
        own = self._first_not_finite(trainer)
        if trainer.strategy.reduce_boolean_decision(own is not None, all=False):
            *_, message = min(found for found in all_gather(own) if found is not None)
            raise Diverged(message)

    def _first_not_finite(self, trainer: L.Trainer) -> tuple[int, bool, str] | None:
        """Find the first number that is not finite.

        Returns:
            Its update, whether it is anything but the training loss, and the error message: in
            this order the smallest of all processes is the first, the loss before its gradient.
        """
        for step, quantity, number in self._unchecked:
            value = float(number)
            if not math.isfinite(value):
                message = divergence_message(
                    quantity,
                    value,
                    step,
                    self._last_loss,
                    learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
                    clip_norm=trainer.gradient_clip_val,
                    precision=trainer.precision,
                )
                return step, quantity != _LOSS, message
            if quantity == _LOSS:
                self._last_loss = value
        self._unchecked.clear()
        return None


def _is_free(device: torch.device) -> bool:
    """Whether reading a number needs no synchronisation."""
    return device.type == "cpu"
