"""Parameters of tests that are mostly too dear for the quick tests."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def dear_but(quick: Collection[Any], values: Iterable[Any]) -> list[Any]:
    """Give the values as parameters; those that `quick` does not hold are thorough."""
    values = list(values)
    assert all(value in values for value in quick), "the quick ones are among them"
    return [value if value in quick else _dear(value) for value in values]


def _dear(value: Any) -> Any:
    several = value if isinstance(value, tuple) else (value,)
    return pytest.param(*several, marks=pytest.mark.thorough)
