"""Stops training that has diverged, before it is saved."""

import math
from typing import Any

import lightning.pytorch as L
import torch
from torch import Tensor

from rnnlab.errors import Diverged
from rnnlab.process.processes import of_each
from rnnlab.training.module import SequenceModule
from rnnlab.training.stopping import divergence

_LOSS = "the training loss"


class Finite(L.Callback):
    """Raises `Diverged` once the loss, its gradient or a validation loss is not finite.

    On the CPU each update is looked at. Elsewhere that would make the processor wait for the
    device, so there the numbers are kept and looked at every `every` updates, and before each
    validation and checkpoint. Between its updates alone, where all processes come by: what one of
    them has met ends them all.

    Args:
        every: updates between two looks where a look costs time.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._seen: list[tuple[int, str, Tensor]] = []
        self._last_loss = math.nan

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Keep the numbers, and look when it is time."""
        assert isinstance(pl_module, SequenceModule)
        whole = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        step = trainer.global_step if whole else trainer.global_step + 1
        self._seen.append((step, _LOSS, outputs["mean"]))
        # With float16 an overflowing gradient is met by a smaller scale, and no update.
        if whole and pl_module.grad_norm is not None and trainer.precision != "16-mixed":
            self._seen.append((step, "the gradient's norm", pl_module.grad_norm))
        if whole and (_is_quick(pl_module.device) or len(self._seen) >= 2 * self.every):
            self.check(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Look at all that came before."""
        self.check(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Look at the validation loss."""
        loss = trainer.callback_metrics["val/loss"]
        self._seen.append((trainer.global_step, "the validation loss", loss))
        self.check(trainer)

    def check(self, trainer: L.Trainer) -> None:
        """Look at all that was kept; all processes must.

        Raises:
            Diverged: something is not finite, here or in another process.
        """
        mine = self._first_not_finite(trainer)
        if trainer.strategy.reduce_boolean_decision(mine is not None, all=False):
            *_, text = min(found for found in of_each(mine) if found is not None)
            raise Diverged(text)

    def _first_not_finite(self, trainer: L.Trainer) -> tuple[int, bool, str] | None:
        """Give what kept number is not finite: its update, whether it isn't the loss, words."""
        for step, quantity, number in self._seen:
            value = float(number)
            if not math.isfinite(value):
                text = divergence(
                    quantity,
                    value,
                    step,
                    self._last_loss,
                    rate=trainer.optimizers[0].param_groups[0]["lr"],
                    clip_norm=trainer.gradient_clip_val,
                    precision=trainer.precision,
                )
                return step, quantity != _LOSS, text  # the loss is the cause, if it is one
            if quantity == _LOSS:
                self._last_loss = value
        self._seen.clear()
        return None


def _is_quick(device: torch.device) -> bool:
    """Tell whether looking at a number makes nobody wait."""
    return device.type == "cpu"
