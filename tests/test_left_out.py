"""What the test suite says of tests that it left out."""

from types import SimpleNamespace

import pytest

from rnnlab.errors import ConfigError, NoPackage
from tests import conftest


def said(*reasons: str) -> list[str]:
    """Give what the summary says after tests were skipped for these reasons."""
    skipped = [SimpleNamespace(longrepr=("test.py", 1, f"Skipped: {why}")) for why in reasons]
    lines: list[str] = []
    reporter = SimpleNamespace(stats={"skipped": skipped}, write_line=lines.append)
    conftest.pytest_terminal_summary(reporter)
    return lines


@pytest.mark.parametrize("cause", [None, NoPackage("no such package")])
def test_tests_without_data_are_skipped_and_counted_at_the_end(cause):
    error = NoPackage("no such package") if cause is None else ConfigError("task: no data")
    error.__cause__ = cause
    running = conftest.pytest_runtest_call()
    next(running)
    with pytest.raises(pytest.skip.Exception) as skipped:
        running.throw(error)
    assert said(str(skipped.value), "needs a CUDA device") == [
        "1 tests left out, over data of packages: pip install 'rnnlab[data,messages]'"
    ]


def test_nothing_is_said_where_all_data_are_there():
    assert said() == said("needs a CUDA device") == []


def test_an_error_of_another_kind_is_none_of_data():
    running = conftest.pytest_runtest_call()
    next(running)
    with pytest.raises(ConfigError, match="task: wrong"):
        running.throw(ConfigError("task: wrong"))
