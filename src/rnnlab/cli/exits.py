"""How our commands end.

0 done, 1 a run directory or what was to be printed was lost, 2 wrong settings, 3 diverged,
130 interrupted, 143 terminated.
"""

import signal
import sys
from collections.abc import Callable
from typing import Any

from rnnlab import output
from rnnlab.errors import (
    INTERRUPTED,
    TERMINATED,
    ConfigError,
    Diverged,
    Interrupted,
)
from rnnlab.memory import fitting
from rnnlab.rank import is_helper

_STATUSES = {ConfigError: 2, Diverged: 3, OSError: 1, KeyboardInterrupt: INTERRUPTED}


def command(name: str, body: Callable[[], None], *, trains: bool = False) -> None:
    """Run a command; a wrong setting becomes clear lines on standard error and status 2.

    Args:
        name: of the command.
        body: what it does.
        trains: whether it is done even if nothing that it prints can be written.
    """
    output.guard()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        with fitting("the settings"):
            body()
    except (ConfigError, Diverged, OSError, KeyboardInterrupt) as error:
        if not is_helper():
            for line in str(error).splitlines() or ["interrupted"]:
                print(f"{name}: {line}", file=sys.stderr)
        sys.exit(status_of(error))
    except SystemExit as error:
        if error.code == TERMINATED:
            print(f"{name}: terminated", file=sys.stderr)
        if error.code:
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
        print(end="", flush=True)
    if (reason := output.lost()) is not None and not is_helper():
        print(f"{name}: standard output can't be written: {reason}", file=sys.stderr)
        if not trains:
            sys.exit(1)


def status_of(error: BaseException) -> int:
    """Give the exit status that says what went wrong."""
    if isinstance(error, Interrupted):
        return error.status
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status
    return 1


def _terminate(*_: Any) -> None:
    """End in order, so that a run can write down that it was stopped."""
    sys.exit(TERMINATED)
