"""Listens for signals while Lightning trains."""

import lightning.pytorch as L

from rnnlab.training.stopping import Signals


class Listening(L.Callback):
    """Listens in Lightning's place, whose own way loses what was done since the last save.

    Args:
        signals: what hears them.
    """

    def __init__(self, signals: Signals) -> None:
        self.signals = signals

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Listen."""
        self.signals.listen()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Listen no more."""
        self.signals.leave()

    def on_exception(
        self,
        trainer: L.Trainer,  # noqa: ARG002
        pl_module: L.LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Listen no more."""
        self.signals.leave()
