"""Which of the processes that train together this is, told by the environment, without torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DIRECTORY = "RNNLAB_RUN_DIRECTORY"
"""Tells the other processes of one training where its run is."""

_OF_LAUNCH = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
"""What Lightning sets, in its own process too, when it starts the others."""


def _told() -> Path | None:
    """Read from the environment whose helper this process was started as, if it was."""
    path = os.environ.get(_DIRECTORY)
    return None if path is None or os.environ.get("LOCAL_RANK", "0") == "0" else Path(path)


_RUN = _told()  # once, when the process begins: later the variables are those for its own helpers


def is_helper() -> bool:
    """Tell whether another process writes the run and speaks for all."""
    return _RUN is not None


def run_of_helper() -> Path:
    """Give the directory of the run that this process was started to help with."""
    assert _RUN is not None
    return _RUN


@contextmanager
def starting_helpers(run: Path) -> Iterator[None]:
    """Tell processes that are started meanwhile where the run is; then all is as it was."""
    before = {name: os.environ.get(name) for name in (_DIRECTORY, *_OF_LAUNCH)}
    os.environ[_DIRECTORY] = str(run.absolute())
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
