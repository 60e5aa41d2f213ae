"""Progress of a group: a bar on a terminal or in a notebook, in a log file lines."""

import sys
import time
from collections.abc import Sequence
from math import isfinite, nan
from types import TracebackType
from typing import Self

from torch import Tensor

from rnnlab.metric import Mode
from rnnlab.process.output import note
from rnnlab.process.progress_bar import open_bar
from rnnlab.process.progress_text import clock, rate


class GroupProgress:
    """Shows updates, the best and the worst loss, speed and time left, as a run alone does.

    Args:
        step: updates done before.
        total: updates of the whole training.
        monitor: the metric of which the best and the worst are shown after each validation.
        mode: whether a lower or a higher monitored metric is better.
        every_seconds: seconds between two lines where there is no bar.
    """

    def __init__(
        self, step: int, total: int, monitor: str, mode: Mode, *, every_seconds: float = 5.0
    ) -> None:
        self.total = total
        self.monitor, self.mode = monitor, mode
        self._first_step = self._last_step = step
        self._symbols = 0
        self._began = self._last = time.perf_counter()
        self._shown = -float("inf")
        self._bar = open_bar(total, step)
        self._wait = every_seconds if self._bar is None else 0.3

    def updated(self, step: int, losses: Tensor, symbols: int) -> None:
        """Show an update, if the last one shown was long enough ago, or it is the last one.

        Args:
            step: updates done.
            losses: `(N,)`, the training loss of each member.
            symbols: how many symbols all members have read in this update.
        """
        self._symbols += symbols
        now = time.perf_counter()
        if now - self._shown < self._wait and step < self.total:
            return
        seconds = max(now - self._last, 1e-9)
        speed = (step - self._last_step) / seconds
        text = f"{rate(speed)} steps/s", f"{rate(self._symbols / seconds)} symbols/s"
        finite = losses[losses.isfinite()].tolist() or [nan]  # one that has diverged leaves
        best, worst = f"{min(finite):.4g}", f"{max(finite):.4g}"
        self._shown = now
        self._restart(step)
        if self._bar is not None:
            loss = f"loss {best} to {worst}"
            self._bar.set_postfix_str(", ".join([f"{len(losses)} runs", loss, *text]), False)
            self._bar.update(step - self._bar.n)
            return
        left = (now - self._began) / (step - self._first_step) * (self.total - step)
        note(
            f"step {step}/{self.total} of {len(losses)} runs  loss {best} (best) {worst} (worst)  "
            f"{'  '.join(text)}  {clock(left)} left"
        )

    def validated(self, step: int, scores: Sequence[float]) -> None:
        """Show the best and the worst score of a validation.

        Args:
            step: updates done.
            scores: the monitored metric of each member.
        """
        finite = [score for score in scores if isfinite(score)]
        if finite:
            low, high = f"{min(finite):.4g}", f"{max(finite):.4g}"
            best, worst = (low, high) if self.mode == "min" else (high, low)
            line = f"step {step}  {self.monitor} {best} (best) {worst} (worst)"
            if self._bar is not None:
                self._bar.write(line, file=sys.stderr)
            else:
                note(line)
        self._restart(step)

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()

    def _restart(self, step: int) -> None:
        """Measure the speed from now on, without validation."""
        self._last, self._last_step, self._symbols = time.perf_counter(), step, 0
