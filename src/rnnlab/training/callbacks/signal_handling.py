"""Signal handlers for the time that Lightning trains."""

import lightning.pytorch as L

from rnnlab.training.stopping import StopSignals


class SignalHandling(L.Callback):
    """Installs our signal handlers in place of Lightning's, which stop without a checkpoint.

    Args:
        signals: the handlers.
    """

    def __init__(self, signals: StopSignals) -> None:
        self.signals = signals

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Install the handlers."""
        self.signals.install()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Restore the earlier handlers."""
        self.signals.restore()

    def on_exception(
        self,
        trainer: L.Trainer,  # noqa: ARG002
        pl_module: L.LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Restore the earlier handlers."""
        self.signals.restore()
