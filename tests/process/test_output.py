"""Output that can't be written, or not in its encoding, changes nothing else."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

import rnnlab
from rnnlab.cli import diff, evaluate, report, sample, train
from rnnlab.cli import list as listing
from rnnlab.process import output
from rnnlab.runs.run import Run
from rnnlab.sweeps.workers import prefixed_lines
from tests.small_runs import tiny, tiny_text

pytestmark = pytest.mark.thorough

FULL = Path("/dev/full")


def broken_pipe() -> TextIO:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def lost_terminal() -> TextIO:
    master, terminal = os.openpty()
    os.close(master)
    return os.fdopen(terminal, "w")


def full_disk() -> TextIO:
    if not FULL.exists():
        pytest.skip("there is no such device here")
    return FULL.open("w")


def closed() -> None:
    """Give what Python has where the descriptor was closed when it began."""


Spoil = Callable[..., None]
EVERY_WAY = pytest.mark.parametrize("way", [broken_pipe, full_disk, closed, lost_terminal])


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spoil]:
    """Give a function that spoils standard streams in a way."""
    opened: list[TextIO | None] = []

    def spoil(way: Callable[[], TextIO | None], *names: str) -> None:
        for name in names:
            opened.append(way())
            monkeypatch.setattr(sys, name, opened[-1])

    yield spoil
    monkeypatch.undo()
    for stream in filter(None, opened):
        with suppress(OSError):
            stream.close()


def status_of(monkeypatch: pytest.MonkeyPatch, main: Callable[[], None], *argv: str) -> int:
    monkeypatch.setattr(sys, "argv", list(argv))
    try:
        main()
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs")))


@EVERY_WAY
def test_training_ends_as_it_would_have(tmp_path, monkeypatch, spoil, way):
    spoil(way, "stdout", "stderr")
    assert status_of(monkeypatch, train.main, "rnnlab-train", *tiny(tmp_path)) == 0
    (path,) = tmp_path.glob("*/*/*")
    assert Run.load(path).card["status"] == "finished"


@EVERY_WAY
def test_a_finished_run_stays_finished(monkeypatch, spoil, run, way):
    spoil(way, "stdout", "stderr")
    assert status_of(monkeypatch, train.main, "rnnlab-train", f"resume={run.path}") == 0
    assert run.card["status"] == "finished"


@EVERY_WAY
def test_a_sweep_does_all_its_jobs(tmp_path, monkeypatch, spoil, way):
    spoil(way, "stdout", "stderr")
    words = ["-m", *tiny(tmp_path), "sweep_name=s", "seed=0,1"]
    assert status_of(monkeypatch, train.main, "rnnlab-train", *words) == 0
    runs = [Run.load(path.parent) for path in tmp_path.glob("sweeps/s/*/config.yaml")]
    assert [run.card["status"] for run in runs] == ["finished"] * 2


def test_from_python_too_and_the_streams_are_given_back(tmp_path, spoil):
    spoil(broken_pipe, "stdout", "stderr")
    before = sys.stdout, sys.stderr
    assert rnnlab.train(tiny(tmp_path)).card["status"] == "finished"
    assert (sys.stdout, sys.stderr) == before


def test_a_worker_says_whose_line_it_is_to_nobody(spoil):
    spoil(broken_pipe, "stdout", "stderr")
    with prefixed_lines("3"):
        print("a line")
        print("another", file=sys.stderr, flush=True)


COMMANDS = {
    "rnnlab-evaluate": (evaluate.main, "run={}"),
    "rnnlab-sample": (sample.main, "run={}"),
    "rnnlab-report": (report.main, "{}/../.."),
    "rnnlab-diff": (diff.main, "{}", "{}"),
    "rnnlab-list": (listing.main,),
    "rnnlab-train": (train.main, "--help"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_went_away_is_no_error(monkeypatch, spoil, run, name):
    spoil(broken_pipe, "stdout")
    main, *words = COMMANDS[name]
    assert status_of(monkeypatch, main, name, *(word.format(run.path) for word in words)) == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_lost_output_is_reported(monkeypatch, capsys, spoil, run, name):
    main, *words = COMMANDS[name]
    spoil(full_disk, "stdout")
    status = status_of(monkeypatch, main, name, *(word.format(run.path) for word in words))
    assert status == (0 if name == "rnnlab-train" else 1)
    said = capsys.readouterr().err
    assert said == f"{name}: standard output can't be written: No space left on device\n"


def test_a_character_that_the_encoding_lacks_is_spelt(tmp_path, monkeypatch):
    words = tiny_text(tmp_path)
    text = tmp_path / "text.txt"
    text.write_text(text.read_text().replace("dog", "\N{DOG FACE} é"), encoding="utf-8")
    with (tmp_path / "out").open("w", encoding="cp1252") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert status_of(monkeypatch, train.main, "rnnlab-train", *words) == 0
    printed = (tmp_path / "out").read_text(encoding="cp1252")
    assert "é" in printed
    assert "\\U0001f436" in printed


def test_a_pipe_that_would_block_is_waited_for(monkeypatch):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    text = "line\n" * 100_000  # more than a pipe holds
    with os.fdopen(reader) as read, os.fdopen(writer, "w") as stream, ThreadPoolExecutor() as pool:
        got = pool.submit(read.read, len(text))
        monkeypatch.setattr(sys, "stdout", stream)
        with output.guarded():
            print(text, end="")
        assert got.result() == text


def test_what_is_printed_and_what_a_terminal_is_stay_as_they_were(tmp_path, monkeypatch):
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        print("before")
        with output.guarded():
            print("é\nmore", end="", flush=True)
            assert not sys.stdout.isatty()
            assert sys.stdout.fileno() == stream.fileno()
            with output.guarded():
                print("!")
        print("after")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "before\né\nmore!\nafter\n"
