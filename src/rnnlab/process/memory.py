"""What happens where more is asked for than a machine can hold."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from rnnlab.errors import ConfigError

_TOO_LARGE = re.compile("allocate|out of memory|overflow|array is too big|maximum allowed", re.I)


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Turn running out of memory, or out of numbers, into an error that names what is at fault.

    Args:
        what: a key or several.

    Raises:
        ConfigError: it is too large.
    """
    try:
        yield
    except ConfigError:
        raise
    except (MemoryError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        # torch and numpy say some of it by errors that mean other things as well.
        if not (isinstance(error, (MemoryError, OverflowError)) or _TOO_LARGE.search(str(error))):
            raise
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{what}: too large for this machine: {said}") from error
