"""Writes sample texts and pictures of each validation to TensorBoard."""

from typing import Any

import lightning.pytorch as L

from rnnlab.inference.show import show_samples
from rnnlab.spec import Batch
from rnnlab.training.file_logger import event_files
from rnnlab.training.module import SequenceModule


class Showcase(L.Callback):
    """Writes what the task shows of the first validation batch to TensorBoard."""

    def __init__(self) -> None:
        self._batch: Batch | None = None

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,  # noqa: ARG002
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Keep the first batch."""
        if batch_idx == 0:
            self._batch = batch

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what the task shows of the batch."""
        assert isinstance(pl_module, SequenceModule)
        if self._batch is None or not trainer.is_global_zero:
            return
        for events in event_files(trainer):
            for name, thing in show_samples(pl_module.model, pl_module.task, self._batch).items():
                events.show(f"val/{name}", thing, trainer.global_step)
