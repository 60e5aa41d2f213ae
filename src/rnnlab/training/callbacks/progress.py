"""Progress of training: a bar on a terminal or in a notebook, in a log file lines."""

import sys
import time
from typing import Any

import lightning.pytorch as L

from rnnlab.process.output import note
from rnnlab.process.progress_bar import open_bar
from rnnlab.process.progress_text import clock, rate
from rnnlab.spec import Batch


class Progress(L.Callback):
    """Shows loss, speed and time left on standard error.

    Args:
        monitor: the metric that chooses the best checkpoint, shown after each validation.
        every_seconds: seconds between two lines where there is no bar.
    """

    def __init__(self, monitor: str, every_seconds: float = 5.0) -> None:
        self.monitor = monitor
        self.every_seconds = every_seconds
        self._bar: Any = None
        self._shown = 0.0
        self._began = 0.0
        self._last = (0.0, 0, 0)
        self._symbols = 0
        self._first_step = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Open the bar."""
        if not trainer.is_global_zero:
            return
        self._began = time.perf_counter()
        self._first_step = trainer.global_step
        self._last = (self._began, trainer.global_step, 0)
        self._bar = open_bar(trainer.max_steps, trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Update the bar a few times a second, or print a line every few seconds."""
        if not trainer.is_global_zero:
            return
        self._symbols += trainer.world_size * batch.input.shape[0] * batch.input.shape[1]
        now = time.perf_counter()
        wait = 0.3 if self._bar is not None else self.every_seconds
        done = trainer.global_step - self._first_step
        last = trainer.global_step == trainer.max_steps
        if not done or (now - self._shown < wait and not last):
            return
        self._shown = now
        loss = float(outputs["mean"])
        then, steps, symbols = self._last
        speed = (trainer.global_step - steps) / max(now - then, 1e-9)
        symbol_speed = (self._symbols - symbols) / max(now - then, 1e-9)
        self._last = (now, trainer.global_step, self._symbols)
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"loss {loss:.4g}, {rate(speed)} steps/s, {rate(symbol_speed)} symbols/s", False
            )
            self._bar.update(trainer.global_step - self._bar.n)
            return
        left = (now - self._began) / done * (trainer.max_steps - trainer.global_step)
        note(
            f"step {trainer.global_step}/{trainer.max_steps}  loss {loss:.4g}  "
            f"{rate(speed)} steps/s  {rate(symbol_speed)} symbols/s  {clock(left)} left",
        )

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Print the monitored metric."""
        value = trainer.callback_metrics.get(self.monitor)
        if not trainer.is_global_zero or value is None:
            return
        line = f"step {trainer.global_step}  {self.monitor} {float(value):.4g}"
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            note(line)
        self._last = (time.perf_counter(), trainer.global_step, self._symbols)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close the bar."""
        self._close(trainer, pl_module)

    def on_exception(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Close the bar."""
        self._close(trainer, pl_module)

    def _close(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        if self._bar is not None:
            self._bar.update(trainer.global_step - self._bar.n)
            self._bar.close()
            self._bar = None
