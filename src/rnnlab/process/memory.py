"""Errors of sizes that don't fit into memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from rnnlab.errors import ConfigError
from rnnlab.spelling import first_line

_TOO_LARGE = re.compile("allocate|out of memory|overflow|array is too big|maximum allowed", re.I)


@contextmanager
def memory_errors_named(key: str) -> Iterator[None]:
    """Turn errors of memory and overflow into a `ConfigError` that names the key at fault.

    Args:
        key: a config key, or the names of several.

    Raises:
        ConfigError: a size is too large for this machine.
    """
    try:
        yield
    except ConfigError:
        raise
    except (MemoryError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        # torch and numpy also raise general errors for it.
        if not (isinstance(error, (MemoryError, OverflowError)) or _TOO_LARGE.search(str(error))):
            raise
        raise ConfigError(f"{key}: too large for this machine: {first_line(error)}") from error
