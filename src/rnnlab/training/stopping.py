"""What ends training before its time: a signal, a judge, a number that is none."""

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from rnnlab.errors import TERMINATED
from rnnlab.process.output import note
from rnnlab.process.rank import is_helper

Judge = Callable[[int, Mapping[str, Mapping[str, float]]], set[str]]
"""Of updates done, and the validation scores of runs by their names, makes the names to stop."""


class Pruned(Exception):
    """Training was stopped, for others are better; it is saved, and can go on by hand."""


class Stopped(Exception):
    """Training was told to stop, and has saved where it was."""


class Signals:
    """Takes the first SIGINT or SIGTERM as a wish and the second as an order.

    Attributes:
        received: the signal that was given, or `None`.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def listen(self) -> None:
        """Take what comes from now on, if this is the thread that is told."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)

    def leave(self) -> None:
        """Listen no more."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.received is not None:
            if number == signal.SIGTERM:
                sys.exit(TERMINATED)
            raise KeyboardInterrupt
        self.received = number
        if not is_helper():
            note("\nstopping after this update; once more stops at once")


def divergence(
    quantity: str,
    value: float,
    step: int,
    last_loss: float,
    *,
    rate: float,
    clip_norm: float | None,
    precision: str,
) -> str:
    """Say what is not finite, and since when, and what to try.

    Args:
        quantity: what it is.
        value: of it.
        step: the update.
        last_loss: the training loss before it.
        rate: the learning rate now.
        clip_norm: the largest norm of the gradient, or `None`.
        precision: of the arithmetic.
    """
    clipping = (
        "trainer.clip_norm=1.0 (now null)"
        if clip_norm is None
        else f"a lower trainer.clip_norm (now {clip_norm:g})"
    )
    ways = [f"a lower optimizer.lr (now {rate:g})", clipping]
    if precision != "32-true":
        ways.append(f"trainer.precision=32-true (now {precision})")
    return (
        f"{quantity} is {value} at update {step} (the training loss before it: {last_loss:.4g}); "
        f"try {', '.join(ways[:-1])} or {ways[-1]}"
    )
