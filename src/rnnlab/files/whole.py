"""Files that are whole or not there, and places that lead nowhere else."""

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from rnnlab.errors import ConfigError

_PART = re.compile(r".+\.[0-9a-f]{8}\.part")
_DAY = 86_400.0  # in seconds: no file takes so long to write


def write_whole(path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Replace a file; whoever looks, or dies, at any moment finds the old content or the new.

    What is written beside it first has a name of its own for each writer.

    Args:
        path: the file; its directory is there.
        content: all of it.
        keep: where the old file is kept.
    """
    part = path.with_name(f"{path.name}.{os.urandom(4).hex()}.part")
    try:
        with part.open("xb") as file:  # never through a link that lies there
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    flush_to_disk(path.parent)


@contextlib.contextmanager
def clearing(directory: Path) -> Iterator[None]:
    """Remove the directories on this path that are made inside and left empty by an error."""
    missing = [path for path in (directory, *directory.parents) if not os.path.lexists(path)]
    try:
        yield
    except Exception:
        for path in missing:
            with contextlib.suppress(OSError):  # not made, or not empty
                path.rmdir()
        raise


def clear_parts(directory: Path, *, alone: bool = False) -> None:
    """Remove what writers that were killed left in a directory.

    Args:
        directory: where they wrote.
        alone: whether nobody else writes there now; else only what is a day old is removed.
    """
    with contextlib.suppress(OSError):  # it is not there, or not to be written
        for path in directory.iterdir():
            if not _PART.fullmatch(path.name):
                continue
            with contextlib.suppress(OSError):  # another process was quicker
                if alone or time.time() - path.lstat().st_mtime > _DAY:
                    path.unlink()


def below(root: Path, name: str) -> Path:
    """Give the path of something in a directory, there or not.

    Args:
        root: the directory, which may be a link itself.
        name: the path from there on.

    Raises:
        ConfigError: it leads out of the directory, through a link, or is a device or a pipe.
    """
    path = root / name
    try:
        inside = _has_no_link(root, name) or path.resolve().is_relative_to(root.resolve())
        mode = path.stat().st_mode if inside else 0  # raises where links go in a circle
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, RuntimeError, ValueError) as error:  # a NUL, a name that is too long
        raise ConfigError(f"{path} can't be followed: {_why(error)}") from error
    if not inside:
        raise ConfigError(f"{path} leads out of its directory: it won't be followed")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ConfigError(f"{path} is neither a file nor a directory")
    return path


def _has_no_link(root: Path, name: str) -> bool:
    """Tell whether a name can't lead out; this looks at fewer places than following it does."""
    below = Path(name)
    steps = [root / part for part in (below, *below.parents[:-1])]
    plain = not below.is_absolute() and ".." not in below.parts
    return plain and not any(step.is_symlink() for step in steps)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def flush_to_disk(path: Path) -> None:
    """Wait until the disk holds what was written to a file, or the names in a directory."""
    if os.name == "nt" and path.is_dir():  # directories can't be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
