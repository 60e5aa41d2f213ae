"""What ends training early: a signal, a pruner, or divergence."""

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from rnnlab.errors import INTERRUPTED, TERMINATED, Interrupted
from rnnlab.process.output import note
from rnnlab.process.rank import is_launched_rank

Pruner = Callable[[int, Mapping[str, Mapping[str, float]]], set[str]]
"""(updates done, run name -> validation scores) -> names of the runs to prune."""


class Pruned(Exception):
    """Training was stopped by a pruner; the run is saved and can be resumed by hand."""


class Stopped(Exception):
    """Training was stopped by a signal, after saving a checkpoint."""


class StopSignals:
    """Handlers of SIGINT and SIGTERM: the first requests a stop, the second stops at once.

    Attributes:
        received: number of the first signal, or `None`.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Install the handlers; in a thread other than the main one, where Python can't, do not."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)

    def interrupted(self, error: BaseException, advice: str) -> Interrupted:
        """Return the error that ends training: what stopped it, what is saved, how to go on."""
        terminated = TERMINATED in (getattr(error, "code", None), 128 + (self.received or 0))
        if terminated:
            return Interrupted(f"terminated, {advice}", TERMINATED)
        return Interrupted(f"interrupted, {advice}", INTERRUPTED)

    def restore(self) -> None:
        """Restore the handlers that were there before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.received is not None:
            if number == signal.SIGTERM:
                sys.exit(TERMINATED)
            raise KeyboardInterrupt
        self.received = number
        if not is_launched_rank():
            note("\nstopping after this update; once more stops at once")


def divergence_message(
    quantity: str,
    value: float,
    step: int,
    last_loss: float,
    *,
    learning_rate: float,
    clip_norm: float | None,
    precision: str,
) -> str:
    """Describe a quantity that is not finite, and suggest settings to try.

    Args:
        quantity: its name.
        value: NaN or infinity.
        step: the update.
        last_loss: the last finite training loss.
        learning_rate: at this update.
        clip_norm: the largest norm of the gradient, or `None`.
        precision: Lightning's name of it, such as `32-true`.
    """
    clipping = (
        "trainer.clip_norm=1.0 (now null)"
        if clip_norm is None
        else f"a lower trainer.clip_norm (now {clip_norm:g})"
    )
    suggestions = [f"a lower optimizer.lr (now {learning_rate:g})", clipping]
    if precision != "32-true":
        suggestions.append(f"trainer.precision=32-true (now {precision})")
    return (
        f"{quantity} is {value} at update {step} (the training loss before it: {last_loss:.4g}); "
        f"try {', '.join(suggestions[:-1])} or {suggestions[-1]}"
    )


def saved_at(step: int) -> str:
    """Say which update the newest checkpoint is of; 0 is none."""
    return f"saved at update {step}" if step else "nothing saved yet"
