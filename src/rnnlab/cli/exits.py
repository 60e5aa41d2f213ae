"""How our commands end: 0 done, 2 wrong settings, 130 interrupted."""

import os
import sys
from collections.abc import Callable

from rnnlab.errors import ConfigError


def command(name: str, body: Callable[[], None]) -> None:
    """Run a command; a wrong setting becomes clear lines on standard error and status 2."""
    try:
        body()
        sys.stdout.flush()
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)
