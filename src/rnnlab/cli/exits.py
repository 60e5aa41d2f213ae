"""Exit statuses and error messages of all commands.

0 done, 1 the run directory or a part of the output was lost, 2 wrong settings, 3 diverged,
130 interrupted, 143 terminated.
"""

import errno
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from rnnlab import __version__
from rnnlab.cli import completion
from rnnlab.cli.completion import Completions
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

_LONGEST = 1000  # characters of a line of an error message
_STATUSES = {ConfigError: 2, Diverged: 3, OSError: 1, KeyboardInterrupt: INTERRUPTED}


def command(name: str, body: Callable[[], None], *, trains: bool = False) -> None:
    """Run a command, print its errors as lines on standard error, and exit with their status.

    Args:
        name: name of the command.
        body: the command.
        trains: whether it trains, so that lost output is no failure.
    """
    if "--version" in sys.argv[1:]:
        body, trains = partial(say, f"{name} {__version__}"), False
    if (script := completion.script(sys.argv[1:])) is not None:
        body, trains = partial(say, script), False
    output.guard()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        with memory_errors_named("the settings"):
            body()
    except (ConfigError, Diverged, OSError, KeyboardInterrupt) as error:
        if not is_launched_rank():
            for line in _message(error).splitlines() or ["interrupted"]:
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


def command_arguments(usage: str, completions: Completions) -> list[str]:
    """Return the arguments of a command.

    With `--help` among them, or if the shell asks what can be typed, it is printed and the command
    exits.

    Args:
        usage: the text that `--help` prints.
        completions: what can be typed.
    """
    arguments = sys.argv[1:]
    if completion.is_query(arguments):
        for word in completion.candidates(completions):
            say(word)
        sys.exit()
    if {"--help", "-h"} & set(arguments):
        say(usage.strip())
        sys.exit()
    return arguments


def status_of(error: BaseException) -> int:
    """Return the exit status of an error."""
    if isinstance(error, Interrupted):
        return error.status
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return 2  # only a setting can give such a long name
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status
    return 1


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{brief(str(error.filename), 100)} is too long for the name of a file"
    return str(error)


def _terminate(*_: Any) -> None:
    """Raise `SystemExit`, so that a run can record that it was terminated."""
    sys.exit(TERMINATED)
