"""Imports of large packages."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Look for no garbage while modules load, nor among what they leave: it stays.

    There are half a million objects, and looking takes a fifth of the time that loading does.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
