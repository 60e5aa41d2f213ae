"""Pairs of texts: read from a file, and as token ids from which batches are joined."""

import unicodedata

import numpy as np

from rnnlab.errors import ConfigError


def read_pairs(text: str, key: str, path: str) -> list[tuple[str, str]]:
    """Read the `source<TAB>target` lines of a file, in composed form (Unicode NFC).

    Spaces around sources and targets are removed; further columns (Tatoeba's third one names the
    author of a line) and blank lines at the end are ignored.

    Args:
        text: content of the file.
        key: its config key, for errors.
        path: its path, for errors.

    Raises:
        ConfigError: a line is not a pair.
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


class Pool:
    """Rows of token ids of different lengths in one array, joined to sequences without a loop."""

    def __init__(self, rows: list[list[int]]) -> None:
        self.lengths = np.array([len(row) for row in rows])
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.ids = np.array([i for row in rows for i in row], dtype=np.int64)

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


def _short(line: str) -> str:
    return repr(line if len(line) <= 40 else line[:40] + "...")
