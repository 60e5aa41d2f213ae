"""Tasks whose sequences are the rows of files: lines, records, pictures."""

import hashlib
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.spec import SPLITS, Batch, Layout, Split
from rnnlab.tasks.corpus import TextFiles
from rnnlab.tasks.file_task import FileTask, NoData, StoredSymbols

_LEAST = 10

Row = TypeVar("Row")
Parse = Callable[[str, str, str], list[Row]]
"""(text of a file, the setting that named it, its path) -> its rows."""


class Rows(Generic[Row]):
    """The rows of a task's files, split by split.

    `task.path` is cut by a fixed hash of each row's identity into about 80 % train, 10 % val and
    10 % test, whatever the order of the file. A split with a file of its own has all of that one,
    and none of `task.path`.

    Args:
        files: the files.
        parse: reads the rows of one.
        identity: what rows have in common that must not stand in two splits of `task.path`.
        problem: why the files aren't read: every split is refused with it. `None` reads them.

    Attributes:
        all: the rows of train, then of val, then of test.
        indices: split -> where its rows stand in `all`.

    Raises:
        ConfigError: a file can't be read, or `task.path` holds too few rows to be split.
    """

    def __init__(
        self,
        files: TextFiles,
        parse: Parse[Row],
        identity: Callable[[Row], str],
        problem: str | None = None,
    ) -> None:
        self.all: list[Row] = []
        self.indices: dict[Split, np.ndarray] = {} if problem is None else NoData(problem)
        self._files = files
        self._order: tuple[Any, np.ndarray] | None = None
        self._repeated: dict[Split, tuple[int, int]] = {}
        if problem is None:
            self._read(parse, identity)

    def __getitem__(self, split: Split) -> list[Row]:
        """Return the rows of a split."""
        return [self.all[index] for index in self.indices[split]]

    def digest(self, of_task: str) -> str:
        """Add a hash of all rows to a task's fingerprint if they are of a package."""
        if not self._files.packaged:
            return of_task
        found = hashlib.sha256(of_task.encode())
        for row in self.all:
            for part in row if isinstance(row, tuple) else (row,):
                whole = part.tolist() if isinstance(part, np.ndarray) else part  # numpy shortens
                found.update(repr(whole).encode())
        return found.hexdigest()[:16]

    def num_batches(self, split: Split, batch_size: int) -> int:
        """Return the number of batches of one epoch; the last one may be smaller."""
        return -(-len(self.indices[split]) // batch_size)

    def batch(
        self,
        split: Split,
        index: int,
        batch_size: int,
        rng: Callable[[Split, int], np.random.Generator],
    ) -> np.ndarray:
        """Return where the rows of batch `index` stand in `all`; train is shuffled each epoch.

        Args:
            split: the split.
            index: of the batch, over all epochs.
            batch_size: rows of a batch.
            rng: (split, epoch) -> the random numbers that shuffle it.
        """
        indices = self.indices[split]
        epoch, batch = divmod(index, self.num_batches(split, batch_size))
        if split == "train":
            indices = self._in_order(epoch, rng)
        return indices[batch * batch_size : (batch + 1) * batch_size]

    def _in_order(self, epoch: int, rng: Callable[[Split, int], np.random.Generator]) -> np.ndarray:
        """Return where the rows of train stand in an epoch; the last order asked for is kept."""
        if self._order is None or self._order[0] != (epoch, rng):
            shuffled = rng("train", epoch).permutation(self.indices["train"])
            self._order = (epoch, rng), shuffled
        return self._order[1]

    def warnings(self, name: str = "rows") -> Iterator[str]:
        """Warn where rows of a held-out file stand in train; `name` is what rows are called."""
        for split, (repeated, total) in self._repeated.items():
            if repeated:
                yield (
                    f"{repeated} of the {total} {name} in {self._files.key(split)} stand in train, "
                    "too: of those the scores tell what was learnt by heart"
                )

    def _read(self, parse: Parse[Row], identity: Callable[[Row], str]) -> None:
        own = [split for split in SPLITS[1:] if self._files.key(split) != "task.path"]
        read = {
            split: parse(
                self._files.read(split),
                self._files.key(split),
                self._files.named[self._files.key(split)],
            )
            for split in ("train", *own)
        }
        shared = [split for split in SPLITS[1:] if split not in own]
        rows = split_by_hash(read["train"], identity, shared)
        trained = {identity(row) for row in rows["train"]}
        for split in own:
            rows[split] = read[split]
            held_out = {identity(row) for row in rows[split]}
            self._repeated[split] = len(held_out & trained), len(held_out)
        for split in SPLITS:
            first = len(self.all)
            self.all += rows[split]
            self.indices[split] = np.arange(first, len(self.all))


def split_by_hash(
    rows: Sequence[Row], identity: Callable[[Row], str], held_out: Sequence[Split]
) -> dict[Split, list[Row]]:
    """Split rows by a hash of their identity, so that one identity is in one split.

    Args:
        rows: those of one file.
        identity: row -> what must not stand in two splits.
        held_out: the splits that get about a tenth of the identities each; the rest is train.

    Raises:
        ConfigError: there is no tenth.
    """
    names = sorted({identity(row) for row in rows}, key=lambda s: (zlib.crc32(s.encode()), s))
    if held_out and len(names) < _LEAST:
        raise ConfigError(
            f"task.path must hold {_LEAST} different rows or more to be split, got {len(names)}"
        )
    tenth = len(names) // 10
    tenths: dict[Split, list[str]] = {"test": names[:tenth], "val": names[tenth : 2 * tenth]}
    split_of: dict[str, Split] = dict.fromkeys(names, "train")
    for split in held_out:
        split_of |= dict.fromkeys(tenths[split], split)
    found: dict[Split, list[Row]] = {split: [] for split in SPLITS}
    for row in rows:
        found[split_of[identity(row)]].append(row)
    return found


class RowTask(FileTask, Generic[Row]):
    """A task whose sequences are the rows of files.

    A class of its own says how a file is read (`parse`) and how rows make a batch (`lay_out`); the
    splits, the order of training and the last, smaller batch of an epoch are the same for all. See
    `Rows` for what goes into which split.

    Args:
        layout: given by the model.
        seed: of the order of training.
        stored: the symbols of a trained model.
        files: the files.

    Attributes:
        rows: of the files.
    """

    def __init__(
        self, layout: Layout, seed: int, stored: StoredSymbols | None, files: TextFiles
    ) -> None:
        super().__init__(layout, seed)
        self.set_stored(stored)
        self.rows: Rows[Row] = Rows(files, self.parse, self.identity, self.problem)

    @abstractmethod
    def parse(self, text: str, key: str, path: str) -> list[Row]:
        """Read the rows of a file from its text.

        Args:
            text: of the file.
            key: the setting that named the file, for errors.
            path: of the file, for errors.

        Raises:
            ConfigError: a line is no row.
        """

    @abstractmethod
    def lay_out(self, rows: Sequence[Row]) -> Batch:
        """Make a batch of rows, a sequence each."""

    def identity(self, row: Row) -> str:
        """Return what a row must not share with one of another split: here, the whole row."""
        return repr(row)

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make batch `index` of a split.

        Raises:
            ConfigError: a length is given, or the files can't be read.
        """
        if length is not None:
            raise ConfigError(f"length can't be chosen where a file gives the rows, got {length}")
        indices = self.rows.batch(split, index, batch_size, self.rng)
        return self.lay_out([self.rows.all[index] for index in indices])

    def num_batches(self, split: Split, batch_size: int) -> int | None:
        """Return the number of batches of one epoch."""
        return self.rows.num_batches(split, batch_size)

    def longest(self, length: int | None = None) -> int:  # noqa: ARG002
        """Count the steps of the longest row of train, or of its source if it has one."""
        batches = (self.lay_out([row]) for row in self.rows["train"])
        read = (batch.input if batch.source is None else batch.source for batch in batches)
        return max(part.shape[1] for part in read)

    def fingerprint(self) -> str:
        """Add a hash of a package's rows, which may change without any setting."""
        return self.rows.digest(super().fingerprint())

    def warnings(self) -> Iterator[str]:
        """Warn where rows of a held-out file stand in train."""
        yield from self.rows.warnings()
