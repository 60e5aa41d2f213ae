"""How we end: errors that a person can mend, and a status for each."""

INTERRUPTED, TERMINATED = 130, 143
"""Exit statuses after SIGINT and SIGTERM: 128 and their numbers, as shells count."""


class ConfigError(ValueError):
    """A setting is wrong; the message names the key, what it got and what it takes."""


class Missing(ConfigError):
    """A file isn't there; the message says which."""


class Damaged(ConfigError):
    """A file isn't what was written; the message says which, and why."""


class Busy(ConfigError):
    """Another process trains the run."""


class Interrupted(KeyboardInterrupt):
    """Training was told to stop; the message says how to go on.

    Attributes:
        status: the exit status, 128 and the signal's number.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Diverged(ArithmeticError):
    """The loss or its gradient is no longer finite; the message says when, and what to try."""


class RunLost(OSError):
    """The run directory can't be written any more; the message says what is still whole."""
