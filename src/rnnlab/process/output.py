"""Standard output and standard error that raise nothing, whatever becomes of them.

A reader that went away (`| head -1`), a full disk and a character that the encoding lacks are no
reason to end a training, or to write down that it failed.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TextIO

from rnnlab.spelling import printable

_NAMES = ("stdout", "stderr")


class _Sink(io.BufferedIOBase):
    """What stands below a text stream: drops what can't be written.

    It keeps no buffer and takes no lock, so that a signal's handler may print while the main
    thread is printing.

    Args:
        raw: where bytes go.
        owner: the stream that `raw` is part of, which would close it if nobody kept it.

    Attributes:
        problem: what a write met first, beside a reader that went away.
    """

    def __init__(self, raw: io.RawIOBase, owner: TextIO | None) -> None:
        self._raw, self._owner = raw, owner
        self.problem: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it, or as much as can be."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                written = self._raw.write(rest)
                if written is None:  # somebody made the pipe non-blocking
                    select.select([], [self.fileno()], [])
                else:
                    rest = rest[written:]
        except BrokenPipeError:
            pass
        except OSError as error:
            self.problem = self.problem or error
        return size

    def writable(self) -> bool:
        """Say yes."""
        return True

    def isatty(self) -> bool:
        """Tell whether this is a terminal."""
        return self._raw.isatty()

    def fileno(self) -> int:
        """Give the descriptor below."""
        return self._raw.fileno()

    @property
    def name(self) -> Any:
        """Give the name of what is below."""
        return getattr(self._raw, "name", None)


def say(text: object = "", *, end: str = "\n") -> None:
    """Print on standard output, at once; what is not printable is spelt.

    All that rnnlab prints goes through this function or the next, since any text may come from a
    file or a command line.

    Args:
        text: of one line or several.
        end: what comes after it.
    """
    print(printable(str(text), lines=True), end=end, flush=True)


def note(text: object) -> None:
    """Print on standard error, as `say` does."""
    print(printable(str(text), lines=True), file=sys.stderr, flush=True)


def guard() -> None:
    """Put such streams in the place of this process's, for good."""
    for name in _NAMES:
        setattr(sys, name, _guarded(getattr(sys, name)))


@contextmanager
def guarded() -> Iterator[None]:
    """Put such streams in the place of this process's, for a while."""
    before = {name: getattr(sys, name) for name in _NAMES}
    guard()
    try:
        yield
    finally:
        for name, stream in before.items():
            with suppress(OSError):
                getattr(sys, name).flush()
            setattr(sys, name, stream)


def lost() -> str | None:
    """Say why standard output was not written whole; `None` if it was, or nobody reads it."""
    sink = getattr(sys.stdout, "buffer", None)
    if not isinstance(sink, _Sink) or sink.problem is None:
        return None
    return os.strerror(sink.problem.errno or errno.EIO)


@cache
def _nowhere() -> io.RawIOBase:
    """Give what takes the place of a descriptor that was closed when the process began.

    It also keeps files that are opened later from getting that number, and the prints of libraries.
    """
    return io.FileIO(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)


def _guarded(stream: TextIO | None) -> TextIO:
    """Give a stream that writes where this one does; one that is no file stays as it is."""
    if stream is None:
        sink = _Sink(_nowhere(), None)
        return io.TextIOWrapper(sink, encoding="utf-8", errors="backslashreplace")
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.RawIOBase):
        return stream
    with suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        _Sink(raw, stream),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
