"""Errors of memory are distinguished from other errors."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.process.memory import memory_errors_named


@pytest.mark.parametrize(
    "ask",
    [
        lambda: torch.empty(2**58),
        lambda: torch.empty(2**53, 2**53),
        lambda: torch.empty(2**80),
        lambda: np.empty(2**58),
        lambda: np.empty((2**53, 2**53)),
        lambda: np.empty(2**80),
        lambda: [None] * 2**58,
        lambda: float(2**2000),
    ],
)
def test_what_no_machine_holds_is_an_error_that_says_where(ask: Callable[[], object]) -> None:
    said = r"^task\.length: too large for this machine: ."
    with pytest.raises(ConfigError, match=said), memory_errors_named("task.length"):
        ask()


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), ValueError("a bug"), KeyError("overflow"), ConfigError("overflow")],
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), memory_errors_named("task"):
        raise error


def test_the_inner_name_is_kept() -> None:
    with (
        pytest.raises(ConfigError, match=r"^cell: too"),
        memory_errors_named("model"),
        memory_errors_named("cell"),
    ):
        raise MemoryError
