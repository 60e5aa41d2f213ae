"""Files that are whole or not there: written beside, flushed to the disk, put in place."""

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Replace a file; whoever looks, or dies, at any moment finds the old content or the new.

    Args:
        path: the file; its directory is there.
        content: all of it.
        keep: where the old file is kept.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
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


def flush_to_disk(path: Path) -> None:
    """Wait until the disk holds what was written to a file, or the names in a directory."""
    if os.name == "nt" and path.is_dir():  # directories can't be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
