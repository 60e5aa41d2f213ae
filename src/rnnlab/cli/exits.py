"""How our commands end: 0 done, 2 wrong settings, 130 interrupted."""

import sys
from collections.abc import Callable

from rnnlab.errors import ConfigError


def command(name: str, body: Callable[[], None]) -> None:
    """Run a command; a wrong setting becomes clear lines on standard error and status 2."""
    try:
        body()
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)
