"""Pairs of texts: from a file, and as joined ids that a batch is gathered from."""

import unicodedata
import zlib
from collections.abc import Collection

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.spec import Split

_LEAST = 10


def read_pairs(text: str, *, key: str, path: str) -> list[tuple[str, str]]:
    """Read the `source<TAB>target` lines of a file, in composed form (Unicode NFC).

    Spaces around a source or a target are no part of it, nor are further columns (Tatoeba's third
    one says who wrote a line) and blank lines at the end.

    Args:
        text: of the file.
        key: what gave the file, for errors.
        path: of the file, for errors.

    Raises:
        ConfigError: a line is no pair.
    """
    pairs = []
    text = unicodedata.normalize("NFC", text)
    for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):
        source, target, *_ = (part.strip() for part in (*line.split("\t"), ""))
        if not source or not target:
            raise ConfigError(
                f"{key}: every line must be a source, a tab and a target; line {number} of "
                f"{path} is {_short(line)}"
            )
        pairs.append((source, target))
    return pairs


def split_pairs(
    pairs: list[tuple[str, str]], held_out: Collection[Split]
) -> dict[Split, list[tuple[str, str]]]:
    """Split pairs by a hash of the source, so that one source is in one split.

    Args:
        pairs: all of a file.
        held_out: the splits that get about a tenth of them each; the rest is train.

    Raises:
        ConfigError: there is no tenth.
    """
    sources = sorted({source for source, _ in pairs}, key=lambda s: (zlib.crc32(s.encode()), s))
    if held_out and len(sources) < _LEAST:
        raise ConfigError(
            f"task.path must hold {_LEAST} pairs or more with different sources, got {len(sources)}"
        )
    tenth = len(sources) // 10
    tenths: dict[Split, list[str]] = {"test": sources[:tenth], "val": sources[tenth : 2 * tenth]}
    place: dict[str, Split] = dict.fromkeys(sources, "train")
    for name in held_out:
        place |= dict.fromkeys(tenths[name], name)
    split: dict[Split, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
    for pair in pairs:
        split[place[pair[0]]].append(pair)
    return split


class Pool:
    """Rows of unequal length in one array, to be joined to sequences without a loop.

    Args:
        rows: of ids.
    """

    def __init__(self, rows: list[list[int]]) -> None:
        self.lengths = np.array([len(row) for row in rows])
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.ids = np.array([i for row in rows for i in row], dtype=np.int64)

    def symbols(self, rows: np.ndarray) -> np.ndarray:
        """Give the ids of some rows, one after another."""
        there = np.zeros(len(self.lengths), dtype=bool)
        there[rows] = True
        return self.ids[np.repeat(there, self.lengths)]

    def join(self, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Join rows `parts` `(B, K)` -> ids `(B, S)` right-padded with 0, lengths `(B,)`."""
        flat = parts.ravel()
        lengths = self.lengths[flat]
        total = lengths.reshape(parts.shape).sum(1)
        before = np.cumsum(lengths) - lengths
        index = np.repeat(self.starts[flat] - before, lengths) + np.arange(lengths.sum())
        joined = np.zeros((len(parts), total.max()), dtype=np.int64)
        joined[np.arange(total.max()) < total[:, None]] = self.ids[index]
        return joined, total


def _short(line: str) -> str:
    return repr(line if len(line) <= 40 else line[:40] + "...")
