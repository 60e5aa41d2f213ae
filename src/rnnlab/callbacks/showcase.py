"""What a person looks at while training: sample texts and pictures in TensorBoard."""

from typing import Any

import lightning.pytorch as L
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from rnnlab.exhibits import exhibits
from rnnlab.module import SequenceModule
from rnnlab.spec import Batch


class Showcase(L.Callback):
    """Adds to TensorBoard, at each validation, what the task shows of the first batch."""

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
        """Show it."""
        assert isinstance(pl_module, SequenceModule)
        if self._batch is None or not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for name, thing in exhibits(pl_module.model, pl_module.task, self._batch).items():
                    add(logger.experiment, name, thing, trainer.global_step)


def add(writer: SummaryWriter, name: str, thing: str | Image.Image, step: int) -> None:
    """Write a text, in a fixed-width block, or a picture."""
    if isinstance(thing, str):
        block = "\n".join("    " + line for line in thing.splitlines())
        writer.add_text(name, block, step)
    else:
        writer.add_image(name, np.asarray(thing.convert("RGB")), step, dataformats="HWC")
