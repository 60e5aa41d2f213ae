"""What callers of rnnlab's functions rely on: their process is afterwards as it was before."""

import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

LOCK = threading.RLock()
"""Held by whoever changes global state; a second thread waits."""


@contextmanager
def process_untouched() -> Iterator[None]:
    """Restore the state of the process that rnnlab and its libraries change; a decorator, too.

    This is the state of the random generators of Python, numpy and torch, torch's threads and
    flags, the levels and handlers of loggers, the filters of warnings, environment variables,
    `sys.argv`, the working directory and the handlers of signals. It doesn't import torch: if
    that was not yet imported, it begins as it does everywhere. A second thread waits until the
    first is done.
    """
    with LOCK, ExitStack() as restored:
        restored.enter_context(warnings.catch_warnings())
        for restore in (_generators(), _loggers(), _environment(), _signals()):
            restored.callback(restore)
        if "torch" in sys.modules:
            from rnnlab.process.global_state import global_state_restored

            restored.enter_context(global_state_restored())
        yield


def _generators() -> Callable[[], None]:
    python, legacy = random.getstate(), np.random.get_state(legacy=True)  # noqa: NPY002

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002

    return restore


def _loggers() -> Callable[[], None]:
    """Remember the loggers that there are; one that is made later is left as it is."""
    root = logging.getLogger()
    named = root.manager.loggerDict.values()
    loggers = [root, *(logger for logger in named if isinstance(logger, logging.Logger))]
    before: list[tuple[logging.Logger, int, list[Any], bool, bool]] = [
        (each, each.level, list(each.handlers), each.propagate, each.disabled) for each in loggers
    ]
    disabled = root.manager.disable

    def restore() -> None:
        logging.disable(disabled)
        for logger, level, handlers, propagate, off in before:
            if logger.level != level:
                logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate, logger.disabled = propagate, off

    return restore


def _environment() -> Callable[[], None]:
    variables, argv, words = dict(os.environ), sys.argv, [*sys.argv]
    place = os.getcwd() if os.path.exists(os.curdir) else None  # it may have been removed

    def restore() -> None:
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        for name, value in variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        argv[:], sys.argv = words, argv
        if place is not None:
            os.chdir(place)

    return restore


def _signals() -> Callable[[], None]:
    """Remember the handlers of signals; only the main thread can change them."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def restore() -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    return restore
