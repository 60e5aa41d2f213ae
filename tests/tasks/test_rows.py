"""Rows of files: their splits, the order of training, and what is refused."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.spec import SPLITS, Batch, TaskSpec, Tokens
from rnnlab.tasks import RowTask, TextFiles
from rnnlab.tasks.rows import Rows, split_by_hash


class Numbers(RowTask[int]):
    """A row is a number in a line of its own; two of one last digit are one thing."""

    spec = TaskSpec(input=Tokens(100), target=Tokens(100), source=None, feedback=False)

    def parse(self, text: str, key: str, path: str) -> list[int]:  # noqa: ARG002
        return [int(line) for line in text.split()]

    def lay_out(self, rows: Sequence[int]) -> Batch:
        ids = torch.tensor(rows)[:, None]
        return Batch(ids, ids, torch.ones_like(ids, dtype=torch.bool))

    def identity(self, row: int) -> str:
        return str(row % 50)

    def show(self, batch: Batch, output: torch.Tensor) -> str:  # noqa: ARG002
        return ""


def write(path: Path, numbers: Sequence[int]) -> str:
    path.write_text("\n".join(map(str, numbers)), encoding="utf-8")
    return str(path)


@pytest.fixture
def task(tmp_path: Path) -> Numbers:
    return Numbers("stream", 0, None, TextFiles(write(tmp_path / "all", range(100))))


def read(task: Numbers, split: str, count: int, batch_size: int) -> list[list[int]]:
    return [task.sample(split, i, batch_size).input.flatten().tolist() for i in range(count)]


def test_what_is_one_thing_is_in_one_split(task: Numbers) -> None:
    things = {split: {row % 50 for row in task.rows[split]} for split in SPLITS}
    assert {split: len(found) for split, found in things.items()} == {
        "train": 40,
        "val": 5,
        "test": 5,
    }
    assert set.union(*things.values()) == set(range(50))


def test_the_order_of_a_file_says_nothing_of_splits(task: Numbers, tmp_path: Path) -> None:
    path = write(tmp_path / "reversed", range(99, -1, -1))
    other = Numbers("stream", 0, None, TextFiles(path))
    assert all(set(task.rows[split]) == set(other.rows[split]) for split in SPLITS)


def test_an_epoch_holds_every_row_once_in_an_order_of_its_own(task: Numbers) -> None:
    assert task.num_batches("train", 30) == 3
    batches = read(task, "train", 6, 30)
    assert [len(batch) for batch in batches] == [30, 30, 20] * 2
    first, second = (list(chain(*epoch)) for epoch in (batches[:3], batches[3:]))
    assert sorted(first) == sorted(second) == sorted(task.rows["train"])
    assert first != second
    assert read(task, "train", 6, 30) == batches


def test_batches_are_the_same_in_whatever_order_they_are_asked_for(task: Numbers) -> None:
    batches = read(task, "train", 9, 30)
    for index in (8, 0, 4, 4, 1, 7):
        assert task.sample("train", index, 30).input.flatten().tolist() == batches[index]
    other = np.random.default_rng
    orders = [
        task.rows.batch("train", 0, 30, rng).tolist() for rng in (task.rng, lambda *_: other(7))
    ]
    assert orders[0] != orders[1]


def test_held_out_rows_keep_their_order(task: Numbers) -> None:
    assert list(chain(*read(task, "test", 4, 3))) == task.rows["test"]


def test_a_split_with_a_file_of_its_own_has_all_of_it(tmp_path: Path) -> None:
    files = TextFiles(
        write(tmp_path / "all", range(100)), val_path=write(tmp_path / "val", [7, 3, 7])
    )
    task = Numbers("stream", 0, None, files)
    assert task.rows["val"] == [7, 3, 7]
    assert {len(task.rows["train"]), len(task.rows["test"])} == {90, 10}
    (warning,) = task.warnings()
    assert warning.startswith("2 of the 2 rows in task.val_path stand in train, too")


def test_a_length_is_refused(task: Numbers) -> None:
    with pytest.raises(ConfigError, match="length can't be chosen where a file gives the rows"):
        task.sample("test", 0, 3, length=4)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="10 different rows or more to be split, got 9"):
        split_by_hash(range(9), str, ["test"])
    assert split_by_hash(range(9), str, [])["train"] == list(range(9))


def test_rows_that_are_not_read_are_refused_with_the_reason() -> None:
    rows = Rows(TextFiles("gone"), lambda *_: [], str, "task.path is gone")
    with pytest.raises(ConfigError, match=r"task\.path is gone"):
        rows.num_batches("test", 3)


def test_rows_of_a_package_add_all_their_numbers_to_the_fingerprint(tmp_path: Path) -> None:
    """A package may change its data; a user's own file has a hash in the config."""

    class Packaged(TextFiles):
        packaged = True

    def digest(files: TextFiles, change: int, label: str) -> str:
        row = np.zeros(5000)
        row[2500] = change
        others = [(np.full(1, float(n)), "b") for n in range(10)]
        rows = [(row, label), *others]
        return Rows(files, lambda *_: rows, lambda row: str(row[0][-1])).digest("task")

    path = write(tmp_path / "rows", [1])
    kept = digest(Packaged(path), 0, "a")
    assert kept == digest(Packaged(path), 0, "a")
    assert len({kept, digest(Packaged(path), 1, "a"), digest(Packaged(path), 0, "b")}) == 3
    assert digest(TextFiles(path), 1, "a") == "task"
