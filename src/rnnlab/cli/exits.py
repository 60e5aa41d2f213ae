"""How our commands end: 0 done, 2 wrong settings, 130 interrupted, 143 terminated."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from rnnlab.errors import TERMINATED, ConfigError


def command(name: str, body: Callable[[], None]) -> None:
    """Run a command; a wrong setting becomes clear lines on standard error and status 2."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        body()
        print(end="", flush=True)
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt as error:
        print(": ".join([name, "interrupted", *map(str, error.args)]), file=sys.stderr)
        sys.exit(130)
    except SystemExit as error:
        if error.code == TERMINATED:
            print(f"{name}: terminated", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(*_: Any) -> None:
    """End in order, so that a run can write down that it was stopped."""
    sys.exit(TERMINATED)
