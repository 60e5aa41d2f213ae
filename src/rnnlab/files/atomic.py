"""Atomic writing of files, and paths that can't leave their directory."""

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rnnlab.errors import ConfigError
from rnnlab.files.group_commit import deferring
from rnnlab.files.group_commit import fsync as fsync

_PART = re.compile(r".+\.[0-9a-f]{8}\.part")
_DAY = 86_400.0  # seconds; no file takes so long to write


def write_atomically(path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Write a file atomically: at any moment it has either the old or the new content.

    The content is written to a `.part` file, whose name is unique to the writer, and renamed; in a
    block of `deferred` the flush and the renaming are left to `commit`.

    Args:
        path: the file, in an existing directory.
        content: its new content.
        keep: where to move the old file, or `None`.
    """
    part = path.with_name(f"{path.name}.{os.urandom(4).hex()}.part")
    try:
        with part.open("xb") as file:  # "x" never follows a link
            file.write(content)
            file.flush()
            if (writes := deferring()) is not None:
                writes.add(part, path, keep)
                return
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    fsync(path.parent)


@contextlib.contextmanager
def undo_mkdir_on_error(directory: Path) -> Iterator[None]:
    """If the block raises, remove the directories on this path that it made, if they are empty."""
    missing = [path for path in (directory, *directory.parents) if not os.path.lexists(path)]
    try:
        yield
    except Exception:
        for path in missing:
            with contextlib.suppress(OSError):  # it is missing, or not empty
                path.rmdir()
        raise


def remove_part_files(directory: Path, *, alone: bool = False) -> None:
    """Remove the `.part` files that killed writers left in a directory.

    Args:
        directory: the directory.
        alone: whether no other process writes there; otherwise files younger than a day stay.
    """
    with contextlib.suppress(OSError):  # the directory is missing or can't be written
        for path in directory.iterdir():
            if not _PART.fullmatch(path.name):
                continue
            with contextlib.suppress(OSError):  # another process has removed it
                if alone or time.time() - path.lstat().st_mtime > _DAY:
                    path.unlink()


def path_inside(root: Path, name: str) -> Path:
    """Return the path of a file or directory inside a directory, which need not exist.

    Args:
        root: the directory, which may be a link itself.
        name: the relative path.

    Raises:
        ConfigError: the path is a link out of the directory, a device or a pipe.
    """
    path = root / name
    try:
        inside = _has_no_link(root, name) or path.resolve().is_relative_to(root.resolve())
        mode = path.stat().st_mode if inside else 0  # raises if links form a cycle
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, RuntimeError, ValueError) as error:  # a NUL, a name that is too long
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} can't be followed: {reason}") from error
    if not inside:
        raise ConfigError(f"{path} leads out of its directory: it won't be followed")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ConfigError(f"{path} is neither a file nor a directory")
    return path


def refuse_links(directory: Path, names: Sequence[str]) -> None:
    """Refuse a directory if it or a file in it is a symbolic link, which may lead anywhere.

    Raises:
        ConfigError: one is a link, or neither a file nor a directory.
    """
    for path in (directory, *(directory / name for name in names)):
        if path.is_symlink():
            raise ConfigError(f"{path} is a link: it won't be followed")
        path_inside(path.parent, path.name)


def _has_no_link(root: Path, name: str) -> bool:
    """Whether a relative path has neither links nor `..`: a quicker check than resolving it."""
    relative = Path(name)
    steps = [root / part for part in (relative, *relative.parents[:-1])]
    plain = not relative.is_absolute() and ".." not in relative.parts
    return plain and not any(step.is_symlink() for step in steps)
