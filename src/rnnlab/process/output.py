"""Printing, through output streams that never raise.

A closed pipe (`| head -1`), a full disk or a character that the encoding lacks must not end a
training, or record it as failed.
"""

import codecs
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
_IN_ASCII = {
    **{"±": "+-", "\xd7": "x", "≤": "<=", "≥": ">=", "²": "^2", "\N{MINUS SIGN}": "-"},
    **{"…": "...", "·": ".", "→": "->", "↵": r"\n", "␣": "_", "\u2019": "'", "\ufffd": "?"},
}
"""Marks that rnnlab prints -> what stands for them where the encoding lacks them."""


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Spell characters that an encoding lacks: our own marks in ASCII, others as escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    escaped = (c.encode("ascii", "backslashreplace").decode() for c in lacking)
    spelt = (_IN_ASCII.get(c, escape) for c, escape in zip(lacking, escaped, strict=True))
    return "".join(spelt), error.end


codecs.register_error(_SPELLING := "rnnlab.spell", _spell)


class _Sink(io.BufferedIOBase):
    """A binary stream that drops what can't be written.

    It has no buffer and no lock, so that a signal handler may print while the main thread prints.

    Args:
        raw: the stream to write to.
        owner: the text stream that `raw` is part of, which closes `raw` when it is collected.

    Attributes:
        problem: the first error of a write, except that of a closed pipe.
    """

    def __init__(self, raw: io.RawIOBase, owner: TextIO | None) -> None:
        self._raw, self._owner = raw, owner
        self.problem: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all bytes, or as many as can be written."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                written = self._raw.write(rest)
                if written is None:  # a non-blocking pipe that is full
                    select.select([], [self.fileno()], [])
                else:
                    rest = rest[written:]
        except BrokenPipeError:
            pass
        except OSError as error:
            self.problem = self.problem or error
        return size

    def writable(self) -> bool:
        """Always True."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._raw.isatty()

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._raw.fileno()

    @property
    def name(self) -> Any:
        """The name of the stream, such as `<stdout>`."""
        return getattr(self._raw, "name", None)


def say(text: object = "", *, end: str = "\n") -> None:
    """Print to standard output and flush; characters that are not printable are escaped.

    Everything that rnnlab prints goes through this function or `note`, since any text may come
    from a file or a command line.

    Args:
        text: one line or several.
        end: printed after it.
    """
    print(printable(str(text), lines=True), end=end, flush=True)


def note(text: object) -> None:
    """Print to standard error as `say` does to standard output."""
    print(printable(str(text), lines=True), file=sys.stderr, flush=True)


def guard() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams that never raise."""
    for name in _NAMES:
        setattr(sys, name, _guarded(getattr(sys, name)))


@contextmanager
def guarded() -> Iterator[None]:
    """Replace `sys.stdout` and `sys.stderr` by streams that never raise, within the block."""
    before = {name: getattr(sys, name) for name in _NAMES}
    guard()
    try:
        yield
    finally:
        for name, stream in before.items():
            with suppress(OSError):
                getattr(sys, name).flush()
            setattr(sys, name, stream)


def write_error() -> str | None:
    """Return the error that lost a part of standard output, or `None`; closed pipes don't count."""
    sink = getattr(sys.stdout, "buffer", None)
    if not isinstance(sink, _Sink) or sink.problem is None:
        return None
    return os.strerror(sink.problem.errno or errno.EIO)


@cache
def _nowhere() -> io.RawIOBase:
    """Return a stream to the null device, for a descriptor that is closed when the process starts.

    As long as it is open, no other file gets that descriptor, and the prints of libraries with it.
    """
    return io.FileIO(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)


def _guarded(stream: TextIO | None) -> TextIO:
    """Return a stream that writes to the same file and never raises; other streams are returned."""
    if stream is None:
        sink = _Sink(_nowhere(), None)
        return io.TextIOWrapper(sink, encoding="utf-8", errors=_SPELLING)
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.RawIOBase):
        return stream
    with suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        _Sink(raw, stream),
        encoding=stream.encoding,
        errors=_SPELLING,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
