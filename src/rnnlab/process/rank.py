"""DDP processes that Lightning launches, known by environment variables, without torch.

Lightning's strategy `ddp` runs the command line of rank 0 again for each other rank. Such a process
trains with rank 0, which alone writes the run directory and prints.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DIRECTORY = "RNNLAB_RUN_DIRECTORY"
"""Passes the run directory to the launched processes."""

_OF_LIGHTNING = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
"""What Lightning sets, also in its own process, when it launches the others."""


def _run_of_launch() -> Path | None:
    """Return the run that this process was launched for, or `None` if it was not launched."""
    path = os.environ.get(_DIRECTORY)
    return None if path is None or os.environ.get("LOCAL_RANK", "0") == "0" else Path(path)


_RUN = _run_of_launch()  # read once: rank 0 sets the variables for its launched processes later


def is_launched_rank() -> bool:
    """Whether this process was launched by rank 0 to train with it."""
    return _RUN is not None


def launched_run() -> Path:
    """Return the directory of the run that this process was launched for."""
    assert _RUN is not None
    return _RUN


@contextmanager
def launching_ranks(run: Path) -> Iterator[None]:
    """Pass a run directory to processes that Lightning launches; restore the environment after."""
    before = {name: os.environ.get(name) for name in (_DIRECTORY, *_OF_LIGHTNING)}
    os.environ[_DIRECTORY] = str(run.absolute())
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
