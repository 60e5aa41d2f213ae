"""How our commands end.

0 done, 1 a run directory or what was to be printed was lost, 2 wrong settings, 3 diverged,
130 interrupted, 143 terminated.
"""

import errno
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from rnnlab import __version__
from rnnlab.errors import (
    INTERRUPTED,
    TERMINATED,
    ConfigError,
    Diverged,
    Interrupted,
)
from rnnlab.process import output
from rnnlab.process.memory import memory_errors_named
from rnnlab.process.output import note, say
from rnnlab.process.rank import is_launched_rank
from rnnlab.spelling import brief

_LONGEST = 1000  # characters of a line that says what is wrong
_STATUSES = {ConfigError: 2, Diverged: 3, OSError: 1, KeyboardInterrupt: INTERRUPTED}


def command(name: str, body: Callable[[], None], *, trains: bool = False) -> None:
    """Run a command; a wrong setting becomes clear lines on standard error and status 2.

    Args:
        name: of the command.
        body: what it does.
        trains: whether it is done even if nothing that it prints can be written.
    """
    if "--version" in sys.argv[1:]:
        body, trains = partial(say, f"{name} {__version__}"), False
    output.guard()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        with memory_errors_named("the settings"):
            body()
    except (ConfigError, Diverged, OSError, KeyboardInterrupt) as error:
        if not is_launched_rank():
            for line in _said(error).splitlines() or ["interrupted"]:
                note(f"{name}: {brief(line, _LONGEST)}")
        sys.exit(status_of(error))
    except SystemExit as error:
        if error.code == TERMINATED:
            note(f"{name}: terminated")
        if error.code:
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
        say(end="")
    if (reason := output.write_error()) is not None and not is_launched_rank():
        note(f"{name}: standard output can't be written: {reason}")
        if not trains:
            sys.exit(1)


def status_of(error: BaseException) -> int:
    """Give the exit status that says what went wrong."""
    if isinstance(error, Interrupted):
        return error.status
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return 2  # only a setting can be so long
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status
    return 1


def _said(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{brief(str(error.filename), 100)} is too long for the name of a file"
    return str(error)


def _terminate(*_: Any) -> None:
    """End in order, so that a run can write down that it was stopped."""
    sys.exit(TERMINATED)
