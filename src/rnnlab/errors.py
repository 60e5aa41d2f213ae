"""Errors that a user can correct, each with an exit status in `rnnlab.cli.exits`."""

INTERRUPTED, TERMINATED = 130, 143
"""Exit statuses after SIGINT and SIGTERM: 128 + their numbers, as shells have it."""


class ConfigError(ValueError):
    """A setting is wrong; the message names the key, its value and what it takes."""


class Missing(ConfigError):
    """A file doesn't exist; the message names it."""


class NoPackage(ConfigError):
    """A package with data is not installed; the message names it and the command."""


def lacks_package(error: ConfigError) -> bool:
    """Return whether the cause is that a package with data is not installed."""
    return isinstance(error, NoPackage) or isinstance(error.__cause__, NoPackage)


class Damaged(ConfigError):
    """A file is not what rnnlab wrote; the message names it and the problem."""


class Busy(ConfigError):
    """Another process is training the run."""


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal; the message says how to resume.

    Attributes:
        status: the exit status, 128 + the signal's number.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Diverged(ArithmeticError):
    """The loss or its gradient is not finite; the message names the update, and what to try."""


class RunLost(OSError):
    """The run directory can't be written any more; the message says what is saved."""
