"""Many files reach the disk by few flushes, and get their names only then."""

import errno
import os
from pathlib import Path

import pytest

from rnnlab.files import group_commit
from rnnlab.files.atomic import write_atomically
from rnnlab.files.group_commit import Deferred, commit, deferred, fsync

MANY = 40  # files: more than are flushed one by one


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what is flushed, in order: `all`, or the kind of a single path."""
    told: list[str] = []
    monkeypatch.setattr(group_commit, "syncfs", lambda _: told.append("all"))
    monkeypatch.setattr(os, "fsync", lambda _: told.append("one"))
    return told


def written(directory: Path, content: bytes, files: int = MANY) -> list[Deferred]:
    blocks = []
    for n in range(files):
        with deferred() as writes:
            write_atomically(directory / f"{n}", content)
        blocks.append(writes)
    return blocks


def contents(directory: Path) -> set[bytes]:
    return {path.read_bytes() for path in directory.iterdir()}


@pytest.mark.skipif(group_commit._syncfs() is None, reason="syncfs is Linux's")
def test_many_files_are_flushed_by_one_call_before_they_get_their_names(tmp_path, flushes):
    flushed = []
    rename = Deferred.rename

    def watched(block: Deferred) -> None:
        flushed.append(list(flushes))
        rename(block)

    blocks = written(tmp_path, b"new")
    assert flushes == []
    assert {path.suffix for path in tmp_path.iterdir()} == {".part"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Deferred, "rename", watched)
        assert commit(blocks) == [None] * MANY
    assert flushed == [["all"]] * MANY
    assert flushes == ["all", "one"]  # the second is of the directory
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}" for n in range(MANY)}


@pytest.mark.parametrize("broken", ["syncfs", "missing"])
def test_without_syncfs_each_file_is_flushed(tmp_path, flushes, monkeypatch, broken):
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    if broken == "missing":
        monkeypatch.setattr(group_commit, "_syncfs", lambda: None)
    else:
        monkeypatch.setattr(group_commit, "syncfs", fail)
    assert commit(written(tmp_path, b"new")) == [None] * MANY
    assert flushes == ["one"] * (MANY + 1)
    assert contents(tmp_path) == {b"new"}


def test_few_files_do_not_wait_for_what_others_write(tmp_path, flushes):
    assert commit(written(tmp_path, b"new", files=3)) == [None] * 3
    assert flushes == ["one"] * 4


def test_a_file_that_can_not_be_flushed_or_renamed_stops_no_other(tmp_path):
    commit(written(tmp_path, b"old", files=3))
    blocks = written(tmp_path, b"new", files=3)
    for path in tmp_path.glob("0.*.part"):
        path.unlink()
    (tmp_path / "1").unlink()
    (tmp_path / "1").mkdir()
    first, second, third = commit(blocks)
    assert isinstance(first, FileNotFoundError)
    assert isinstance(second, OSError)
    assert third is None
    assert (tmp_path / "0").read_bytes() == b"old"
    assert (tmp_path / "2").read_bytes() == b"new"
    assert not list(tmp_path.glob("*.part"))


def test_a_block_that_fails_leaves_the_old_files_and_nothing_else(tmp_path):
    write_atomically(tmp_path / "a", b"old")

    def write_and_fail() -> None:
        with deferred():
            write_atomically(tmp_path / "a", b"new")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_and_fail()
    assert contents(tmp_path) == {b"old"}
    write_atomically(tmp_path / "a", b"newer")  # no longer deferred
    assert contents(tmp_path) == {b"newer"}


def test_the_old_file_is_kept_and_appended_ones_are_flushed_first(tmp_path, flushes):
    write_atomically(tmp_path / "a", b"old")
    (tmp_path / "log").write_bytes(b"line")
    flushes.clear()
    with deferred() as writes:
        fsync(tmp_path / "log")
        write_atomically(tmp_path / "a", b"new", keep=tmp_path / "b")
    assert flushes == []
    assert (tmp_path / "a").read_bytes() == b"old"
    assert commit([writes]) == [None]
    assert flushes == ["one"] * 3  # the log, the file, the directory
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "b").read_bytes() == b"old"
