"""Group commit: the files of many runs reach the disk by one flush, and then get their names.

A flush of one file waits for the disk for up to 10 ms, however small the file, and a run flushes 18
times. Databases commit many transactions by one flush of their log; here it is one of the file
system (Linux's `syncfs`), which takes hardly longer than that of one file.
"""

import contextlib
import ctypes
import os
import platform
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_FEW = 16  # paths that are flushed one by one, so as not to wait for what others have written
_THREADS = 16  # flushes at once where `syncfs` is not available
_REPORTS_ERRORS = (5, 8)  # the first Linux whose `syncfs` says that writing has failed


class _Move(NamedTuple):
    """A `.part` file, its name to be, and where to move the old file."""

    part: Path
    path: Path
    keep: Path | None


class Deferred:
    """Files that were written but neither flushed nor renamed yet."""

    def __init__(self) -> None:
        self._moves: list[_Move] = []
        self._others: list[Path] = []

    def add(self, part: Path, path: Path, keep: Path | None) -> None:
        """Add a `.part` file that gets the name `path`; an old file is moved to `keep`."""
        self._moves.append(_Move(part, path, keep))

    def add_flush(self, path: Path) -> None:
        """Add a file or directory that is flushed only."""
        self._others.append(path)

    def discard(self) -> None:
        """Remove the `.part` files."""
        for move in self._moves:
            with contextlib.suppress(OSError):
                move.part.unlink()
        self._moves, self._others = [], []

    @property
    def paths(self) -> list[Path]:
        """What must reach the disk before any file is renamed."""
        return [*(move.part for move in self._moves), *self._others]

    @property
    def directories(self) -> list[Path]:
        """The directories in which files are renamed."""
        return list(dict.fromkeys(move.path.parent for move in self._moves))

    def rename(self) -> None:
        """Rename the `.part` files, in the order in which they were written.

        Raises:
            OSError: a file can't be renamed; those after it are left as they are.
        """
        for part, path, keep in self._moves:
            if keep is not None and path.exists():
                path.replace(keep)
            part.replace(path)


_deferring: ContextVar[Deferred | None] = ContextVar("_deferring", default=None)


def deferring() -> Deferred | None:
    """Return what the present block defers to, or `None` outside of one."""
    return _deferring.get()


@contextlib.contextmanager
def deferred() -> Iterator[Deferred]:
    """Leave flushing and renaming of the files that the block writes to `commit`.

    Until then the old files are seen. If the block raises, what it wrote is removed.
    """
    writes = Deferred()
    token = _deferring.set(writes)
    try:
        yield writes
    except BaseException:
        writes.discard()
        raise
    finally:
        _deferring.reset(token)


def commit(writes: Sequence[Deferred]) -> list[OSError | None]:
    """Flush the files of several blocks at once, rename them, and flush their directories.

    After a crash each file is the old or the new one, and whole. Files of one block don't get their
    names before all of them are on disk.

    Returns:
        For each block the error because of which files of it are the old ones, or `None`.
    """
    errors = _flush_each([block.paths for block in writes])
    for n, block in enumerate(writes):
        if errors[n] is None:
            try:
                block.rename()
            except OSError as error:
                errors[n] = error
        if errors[n] is not None:
            block.discard()
    of_directories = _flush_each([block.directories for block in writes])
    return [first or second for first, second in zip(errors, of_directories, strict=True)]


def flush(paths: Sequence[Path]) -> None:
    """Flush files and directories to disk, all at once if they are many.

    Raises:
        OSError: one can't be flushed.
    """
    (error,) = _flush_each([paths])
    if error is not None:
        raise error


def fsync(path: Path) -> None:
    """Flush a file or the names in a directory to disk; in a block of `deferred` at its commit."""
    writes = deferring()
    if writes is not None:
        writes.add_flush(path)
    else:
        _fsync(path)


def _flush_each(groups: Sequence[Sequence[Path]]) -> list[OSError | None]:
    """Flush groups of paths; return the first error of each group."""
    paths = list(dict.fromkeys(path for group in groups for path in group))
    if len(paths) > _FEW and _flush_file_systems(paths):
        return [None] * len(groups)
    if len(paths) > _FEW:
        with ThreadPoolExecutor(_THREADS) as pool:
            errors = list(pool.map(_error_of_fsync, paths))
    else:
        errors = [_error_of_fsync(path) for path in paths]
    by_path = dict(zip(paths, errors, strict=True))
    return [next(filter(None, map(by_path.get, group)), None) for group in groups]


def _flush_file_systems(paths: Sequence[Path]) -> bool:
    """Flush all that was written to the file systems of these paths; `False` if that failed."""
    if _syncfs() is None:
        return False
    try:
        devices = {path.lstat().st_dev: path for path in paths}
        for path in devices.values():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                syncfs(descriptor)
            finally:
                os.close(descriptor)
    except OSError:
        return False  # flushing one by one tells which file is at fault
    return True


def syncfs(descriptor: int) -> None:
    """Flush the file system of an open file, as Linux's `syncfs`.

    Raises:
        OSError: something could not be written.
    """
    function = _syncfs()
    assert function is not None
    if function(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _syncfs() -> Any:
    """Return the C library's `syncfs`, or `None` if it is missing or doesn't report errors."""
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    if platform.system() != "Linux" or found is None:
        return None
    if tuple(map(int, found.groups())) < _REPORTS_ERRORS:
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


def _error_of_fsync(path: Path) -> OSError | None:
    try:
        _fsync(path)
    except OSError as error:
        return error
    return None


def _fsync(path: Path) -> None:
    windows = os.name == "nt"
    if windows and path.is_dir():  # Windows can't open directories
        return
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
