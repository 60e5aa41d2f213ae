"""Progress of an analysis: a line on standard error that goes on, and a budget of seconds."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar, Token
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from tqdm import tqdm

from rnnlab.process.output import note

_Item = TypeVar("_Item")


class Progress:
    """The time that an analysis may take, and how far it is.

    Within its context a line is shown every few seconds, whatever the analysis does, and the
    budget ends the loops that go through `within_budget`.

    Args:
        name: name of the analysis.
        seconds: the budget; `None` is none.
        every_seconds: seconds between two lines if standard error is not a terminal.

    Attributes:
        cut: what the budget left out, in words.
    """

    def __init__(self, name: str, seconds: float | None, *, every_seconds: float = 5.0) -> None:
        self.name, self.seconds = name, seconds
        self.cut: list[str] = []
        self.doing = ""
        self._began = time.monotonic()
        self._every_seconds = every_seconds
        self._line: Any = None  # of a terminal
        self._done = Event()
        self._thread = Thread(target=self._show, daemon=True)
        self._token: Token[Progress | None] | None = None

    def is_spent(self, share: float) -> bool:
        """Whether a share of the budget is spent."""
        return self.seconds is not None and self._spent > share * self.seconds

    @property
    def _spent(self) -> float:
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        """Begin to show the line."""
        self._token = _now.set(self)
        if sys.stderr.isatty():
            self._line = tqdm(bar_format="{desc}", dynamic_ncols=True, leave=False)
            self._every_seconds = 0.3
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Erase the line."""
        assert self._token is not None
        _now.reset(self._token)
        self._done.set()
        self._thread.join()
        if self._line is not None:
            self._line.close()

    def _show(self) -> None:
        while not self._done.wait(self._every_seconds):
            if self._line is None:
                note(self._text())
            else:
                self._line.set_description_str(self._text())

    def _text(self) -> str:
        most = "" if self.seconds is None else f" of at most {self.seconds:g}"
        return "  ".join(filter(None, [self.name, self.doing, f"{self._spent:.0f}{most} s"]))


_now: ContextVar[Progress | None] = ContextVar("progress", default=None)


def within_budget(
    items: Sequence[_Item], what: str, *, least: int = 1, share: float = 1.0
) -> Iterator[_Item]:
    """Yield items until the budget of the analysis is spent, all of them without one.

    Args:
        items: the items.
        what: their name in the plural.
        least: number of items that are yielded in any case.
        share: share of the budget after which no more are yielded.
    """
    progress = _now.get()
    if progress is None:
        yield from items
        return
    for number, item in enumerate(items):
        if number >= least and progress.is_spent(share):
            progress.cut.append(f"{number} of {len(items)} {what}")
            break
        progress.doing = f"{what} {number + 1}/{len(items)}"
        yield item
    progress.doing = ""
