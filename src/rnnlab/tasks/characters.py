"""Long texts as numbers: one or two bytes a character, read piece by piece."""

import codecs
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import LARGEST_TEXT, open_regular_file
from rnnlab.tasks.corpus import read_text

_PIECE = 2**20  # bytes or characters that are looked at at once
_CODE_POINTS = 0x110000  # of Unicode


class NumberedText(NamedTuple):
    """A text as numbers.

    Attributes:
        numbers: `(N,)`, the position of each symbol in `symbols`.
        symbols: the characters, or words, that the text may have.
    """

    numbers: np.ndarray
    symbols: Sequence[str]

    def counts(self) -> np.ndarray:
        """Return how often each symbol stands in the text."""
        return count(self.numbers, len(self.symbols))

    def translated(self, meanings: np.ndarray) -> np.ndarray:
        """Return the text with the number `meanings[i]` in place of i, in as few bytes as it takes.

        It takes the place of `numbers` if it needs as many bytes.
        """
        kind = _smallest(int(meanings.max(initial=0)) + 1)
        meanings = meanings.astype(kind)
        same = self.numbers.dtype == kind and self.numbers.flags.writeable
        out = self.numbers if same else np.empty(len(self.numbers), kind)
        for place in _places(len(out)):
            out[place] = meanings[self.numbers[place]]
        return out


def read_characters(path: str, *, key: str, encoding: str | None) -> NumberedText:
    """Read a text file as `read_text` does, in a tenth of its memory if it is UTF-8.

    Raises:
        ConfigError: the file is missing, unreadable, empty or not a text.
    """
    if encoding is None:
        try:
            with open_regular_file(Path(path).expanduser(), largest=LARGEST_TEXT) as file:
                return _numbered(_pieces(file), os.fstat(file.fileno()).st_size)
        except (ConfigError, OSError, RuntimeError, ValueError):
            pass  # `read_text` says what is wrong with it
    return characters_of(read_text(path, key=key, encoding=encoding))


def characters_of(text: str) -> NumberedText:
    """Convert a text to numbers."""
    pieces = (text[place] for place in _places(len(text)))
    return _numbered(pieces, len(text))


def count(numbers: np.ndarray, size: int) -> np.ndarray:
    """Return how often each number below `size` occurs, without copying all of them to 64 bits."""
    counts = np.zeros(size, dtype=np.int64)
    for place in _places(len(numbers)):
        counts += np.bincount(numbers[place], minlength=size)
    return counts


def count_pairs(numbers: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of neighbours `a size + b` that occur, in order, and how often each does."""
    found: tuple[np.ndarray, np.ndarray] = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    for place in _places(max(len(numbers) - 1, 0)):
        before = numbers[place].astype(np.int64)
        after = numbers[place.start + 1 : place.start + 1 + len(before)]
        pairs = before * size + after
        if size * size <= _PIECE:
            counts = np.bincount(pairs, minlength=size * size)
            kinds = np.flatnonzero(counts)
            counts = counts[kinds]
        else:
            kinds, counts = np.unique(pairs, return_counts=True)
        found = _added(*found, kinds, counts)
    return found


def _added(
    kinds: np.ndarray, counts: np.ndarray, more_kinds: np.ndarray, more_counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add two lists of counts by kind."""
    both, where = np.unique(np.concatenate([kinds, more_kinds]), return_inverse=True)
    total = np.zeros(len(both), np.int64)
    np.add.at(total, where, np.concatenate([counts, more_counts]))
    return both, total


def _pieces(file: BinaryIO) -> Iterator[str]:
    r"""Decode UTF-8 piece by piece; drop a byte order mark, and end every line in `\n`.

    Raises:
        ValueError: it is no text: not UTF-8, or with a NUL in it.
    """
    decode = codecs.getincrementaldecoder("utf-8")().decode
    held, first, data = "", True, b"more"
    while data:
        data = file.read(_PIECE)
        text = held + decode(data, final=not data)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        if "\0" in text:
            raise ValueError
        held = "\r" if data and text.endswith("\r") else ""  # a newline may follow
        text = text[: len(text) - len(held)]
        yield text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _numbered(pieces: Iterable[str], longest: int) -> NumberedText:
    """Number the characters of a text in the order in which its pieces bring them.

    Args:
        pieces: the text.
        longest: the most characters that it may have.

    Raises:
        ValueError: it is longer, or empty.
    """
    number_of = np.full(_CODE_POINTS, -1, dtype=np.int32)
    alphabet = np.zeros(0, np.uint32)
    numbers, length = np.empty(longest, np.uint8), 0  # untouched, it takes no memory
    for piece in pieces:
        if length + len(piece) > longest:
            raise ValueError
        codes = _code_points(piece)
        found = number_of[codes]
        if found.min(initial=0) < 0:
            new = np.unique(codes[found < 0])
            number_of[new] = np.arange(len(alphabet), len(alphabet) + len(new))
            alphabet = np.concatenate([alphabet, new.astype(np.uint32)])
            found = number_of[codes]
            numbers = _widened(numbers, length, _smallest(len(alphabet)))
        numbers[length : length + len(found)] = found
        length += len(found)
    if not length:
        raise ValueError
    return NumberedText(numbers[:length], [chr(code) for code in alphabet])


def _code_points(text: str) -> np.ndarray:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _widened(numbers: np.ndarray, used: int, kind: np.dtype) -> np.ndarray:
    """Return numbers in a larger type, if that is another one."""
    if numbers.dtype == kind:
        return numbers
    wider = np.empty(len(numbers), kind)
    wider[:used] = numbers[:used]
    return wider


def _smallest(size: int) -> np.dtype:
    """Return the smallest type of numbers below `size`."""
    return np.min_scalar_type(max(size - 1, 0))


def _places(length: int) -> Iterator[slice]:
    """Divide a length into slices of `_PIECE`."""
    for start in range(0, length, _PIECE):
        yield slice(start, min(start + _PIECE, length))
