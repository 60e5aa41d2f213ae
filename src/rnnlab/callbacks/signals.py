"""What to do when training is told to stop: finish the update first."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

import lightning.pytorch as L

from rnnlab.errors import TERMINATED
from rnnlab.rank import is_helper


class Stopped(Exception):
    """Training was told to stop, and has saved where it was."""


class Signals(L.Callback):
    """Takes the first SIGINT or SIGTERM as a wish and the second as an order.

    Attributes:
        received: the signal that was given, or `None`.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Listen, in Lightning's place, whose own way loses what was done since the last save."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Listen no more."""
        self._restore()

    def on_exception(
        self,
        trainer: L.Trainer,  # noqa: ARG002
        pl_module: L.LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Listen no more."""
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.received is not None:
            if number == signal.SIGTERM:
                sys.exit(TERMINATED)
            raise KeyboardInterrupt
        self.received = number
        if not is_helper():
            print("\nstopping after this update; once more stops at once", file=sys.stderr)
