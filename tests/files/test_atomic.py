"""Writing is atomic, whoever writes at the same time, and paths stay in their directory."""

import os
import threading
from pathlib import Path

import pytest

from rnnlab.errors import ConfigError
from rnnlab.files.atomic import (
    path_inside,
    remove_part_files,
    undo_mkdir_on_error,
    write_atomically,
)


def test_two_who_write_a_file_at_once_both_come_to_their_end(tmp_path, monkeypatch):
    path, flush, met = tmp_path / "x", os.fsync, threading.Barrier(2)

    def together(descriptor: int) -> None:
        met.wait(10)  # each has its part open when the other has
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", together)
    monkeypatch.setattr("rnnlab.files.atomic.fsync", lambda _: None)
    problems: list[BaseException] = []

    def write(content: bytes) -> None:
        try:
            write_atomically(path, content)
        except BaseException as error:
            problems.append(error)

    writers = [threading.Thread(target=write, args=(bytes([n]) * 9,)) for n in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert problems == []
    assert path.read_bytes() in (b"\x01" * 9, b"\x02" * 9)
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    names = ["x.json.0123abcd.part", "x.0123abcd.part", "x.part", "x.json", "x.0123abcg.part"]
    for name in names:
        (tmp_path / name).touch()
    os.utime(tmp_path / names[0], (0, 0))
    remove_part_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
    remove_part_files(tmp_path, alone=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[2:])
    remove_part_files(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["out/x", "loop", "pipe", "../x", "/x", "a\0b", "x" * 300])
def test_a_path_outside_is_refused(tmp_path: Path, name: str):
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    with pytest.raises(ConfigError) as caught:
        path_inside(root, name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_path_inside_may_lead_through_links(tmp_path: Path):
    (tmp_path / "root/a").mkdir(parents=True)
    (tmp_path / "root/b").symlink_to("a")
    (tmp_path / "latest").symlink_to("root")
    assert path_inside(tmp_path / "latest", "b/x") == tmp_path / "latest/b/x"


def test_an_error_leaves_no_empty_directory_that_it_made(tmp_path: Path):
    (tmp_path / "there").mkdir()

    def made_and_lost(directory: Path, file: str | None) -> None:
        with undo_mkdir_on_error(directory):
            directory.mkdir(parents=True)
            if file:
                (directory.parent / file).touch()
            raise OSError("full")

    for directory, file in ((tmp_path / "there/a/b", None), (tmp_path / "a/b/c", "kept")):
        with pytest.raises(OSError, match="full"):
            made_and_lost(directory, file)
    assert {path.name for path in tmp_path.rglob("*")} == {"there", "a", "b", "kept"}
