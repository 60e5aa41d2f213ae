"""What every test begins with, and our commands run in this process."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from rnnlab.cli import train
from rnnlab.errors import ConfigError, lacks_package
from rnnlab.files import group_commit
from tests.composing import compose_sharing
from tests.small_runs import tiny

NO_DATA = "the extra data is missing"
"""Why tests are skipped whose data no installed package carries."""

torch.set_num_threads(1)
if not torch.cuda.is_available():  # read when the kernels for a GPU are first imported
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_disks() -> Iterator[None]:
    """A run waits 18 times for the disk, which is proven to help in processes of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(group_commit, "syncfs", lambda _: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_composing_twice() -> Iterator[None]:
    """What tests compose of the same choices is composed once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnnlab.config.compose.hydra_compose", compose_sharing)
        yield


@pytest.fixture(autouse=True)
def _same_numbers_each_time() -> None:
    torch.manual_seed(0)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option of pytest."""
    parser.addoption(
        "--one-each",
        action="store_true",
        help="run each test with the first of its parameters only: where it runs matters, not what",
    )


@pytest.hookimpl(trylast=True)  # after the tests that are chosen by a mark or a word
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Do what `--one-each` says."""
    if config.getoption("one_each"):
        first: dict[str, pytest.Item] = {}
        others = [i for i in items if first.setdefault(i.nodeid.partition("[")[0], i) is not i]
        config.hook.pytest_deselected(items=others)
        items[:] = first.values()


def pytest_collection_finish() -> None:
    """What was collected stays to the end: no full collection of garbage looks at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Tests over all tasks leave out those whose data are not installed: the extra data."""
    try:
        return (yield)
    except ConfigError as error:
        if lacks_package(error):
            pytest.skip(f"{NO_DATA}: {error}")
        raise


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end how many tests were left out for want of data."""
    skipped = terminalreporter.stats.get("skipped", [])
    if count := sum(NO_DATA in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(
            f"{count} tests left out, over data of packages: pip install 'rnnlab[data,messages]'"
        )


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function of a main and its command line: status, standard output and error."""

    def run_main(main: Callable[[], None], *argv: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", list(argv))
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run_main


@pytest.fixture
def sweep(run_main: Run, tmp_path: Path) -> Run:
    """Start a sweep of tiny runs here; gives status, standard output and standard error."""

    def start(*words: str, out: Path = tmp_path) -> tuple[int, str, str]:
        return run_main(train.main, "rnnlab-train", "-m", *tiny(out), "sweep_name=s", *words)

    return start
