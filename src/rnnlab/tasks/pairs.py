"""Pairs of texts: read from a file, and as token ids from which batches are joined."""

import unicodedata
from array import array
from collections.abc import Iterable

import numpy as np

from rnnlab.errors import ConfigError


def read_pairs(
    text: str, key: str, path: str, form: str = "a source, a tab and a target"
) -> list[tuple[str, str]]:
    """Read the `source<TAB>target` lines of a file, in composed form (Unicode NFC).

    Spaces around sources and targets are removed; further columns (Tatoeba's third one names the
    author of a line) and blank lines at the end are ignored.

    Args:
        text: content of the file.
        key: its config key, for errors.
        path: its path, for errors.
        form: what a line is, for errors.

    Raises:
        ConfigError: a line is not a pair.
    """
    pairs = []
    text = unicodedata.normalize("NFC", text)
    for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):
        source, target, *_ = (part.strip() for part in (*line.split("\t"), ""))
        if not source or not target:
            shown = line if len(line) <= 40 else f"{line[:40]}..."
            raise ConfigError(
                f"{key}: every line must be {form}; line {number} of {path} is {shown!r}"
            )
        pairs.append((source, target))
    return pairs


class Numbering(dict[str, int]):
    """Numbers symbols in the order in which they are met: of a long file few strings are kept."""

    def __missing__(self, symbol: str) -> int:
        """Number a new symbol."""
        return self.setdefault(symbol, len(self))

    def pool(self, rows: Iterable[list[str]]) -> "Pool":
        """Number the symbols of rows."""
        ids, lengths = array("i"), array("i")
        for row in rows:
            ids.extend(map(self.__getitem__, row))
            lengths.append(len(row))
        return Pool(np.array(ids, dtype=np.int32), np.array(lengths, dtype=np.int64))

    def count(self, parts: Iterable[np.ndarray]) -> dict[str, int]:
        """Count the symbols that occur in some ids."""
        counts = sum(np.bincount(part, minlength=len(self)) for part in parts)
        return {symbol: n for symbol, n in zip(self, np.asarray(counts).tolist(), strict=True) if n}


class Pool:
    """Rows of token ids of different lengths in one array, joined to sequences without a loop.

    Args:
        ids: of all rows.
        lengths: of each row.
    """

    def __init__(self, ids: np.ndarray, lengths: np.ndarray) -> None:
        self.ids, self.lengths = ids, lengths
        self.starts = np.cumsum(lengths) - lengths

    def first(self, count: int) -> np.ndarray:
        """Return the ids of the first rows, concatenated."""
        return self.ids[: int(self.lengths[:count].sum())]

    def symbols(self, rows: np.ndarray) -> np.ndarray:
        """Return the ids of all selected rows, concatenated."""
        selected = np.zeros(len(self.lengths), dtype=bool)
        selected[rows] = True
        return self.ids[np.repeat(selected, self.lengths)]

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
