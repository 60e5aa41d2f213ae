"""Long texts as numbers: the same text as `read_text` gives, in a few bytes a character."""

import random
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rnnlab.errors import ConfigError
from rnnlab.tasks import characters
from rnnlab.tasks.characters import (
    NumberedText,
    characters_of,
    count,
    count_pairs,
    read_characters,
)
from rnnlab.tasks.corpus import read_text
from tests.dear import dear_but

PARTS = [
    "a",
    "bc",
    "\n",
    "\r\n",
    "\r",
    "\r\r",
    "é",
    "\u2028",
    "\ufeff",
    "漢字",
    "🍾",
    "\x85",
    "x" * 9,
]


@pytest.fixture(autouse=True, params=[1, 2, 3, 7, 2**20])
def _piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files after every byte, also within characters and line ends."""
    monkeypatch.setattr(characters, "_PIECE", request.param)


def spelled(text: NumberedText) -> str:
    return "".join(text.symbols[number] for number in text.numbers)


@pytest.mark.parametrize("seed", dear_but(range(4), range(20)))
def test_a_text_read_in_pieces_is_the_text(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    file = tmp_path / "text"
    mark = "\ufeff" if seed % 2 else ""
    whole = mark + "".join(rng.choices(PARTS, k=rng.randint(1, 30))) + "end"
    file.write_bytes(whole.encode())
    expected = read_text(str(file))
    found = read_characters(str(file), key="task.path", encoding=None)
    assert spelled(found) == spelled(characters_of(expected)) == expected
    assert found.numbers.dtype == np.uint8


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf",
        b"one\0two",
        b"a\0caf\xe9!",
        b"caf\xe9!",
        b"caf\xc3",  # half a character at the end
        b"\xed\xa0\x80",
        "one".encode("utf-16"),
    ],
)
def test_what_is_no_text_is_refused_in_the_same_words(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "text"
    file.write_bytes(data)
    errors = []
    for read in (
        lambda: read_text(str(file), key="task.val_path"),
        lambda: read_characters(str(file), key="task.val_path", encoding=None),
    ):
        with pytest.raises(ConfigError) as refused:
            read()
        errors.append(str(refused.value))
    assert errors[0] == errors[1]
    assert "task.val_path must be a UTF-8 text file" in errors[0]


def test_other_encodings_are_read_too(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes("café\r\nça va".encode("cp1252"))
    found = read_characters(str(file), key="task.path", encoding="cp1252")
    assert spelled(found) == "café\nça va"


@pytest.mark.parametrize(("symbols", "kind"), [(256, np.uint8), (257, np.uint16)])
def test_a_character_takes_as_few_bytes_as_there_are_symbols(symbols: int, kind: type) -> None:
    text = "".join(chr(0x4E00 + n % symbols) for n in range(3 * symbols))
    found = characters_of(text)
    assert found.numbers.dtype == kind
    assert spelled(found) == text
    turned = found.translated(np.arange(len(found.symbols))[::-1].copy())
    assert turned.dtype == kind
    assert "".join(found.symbols[::-1][number] for number in turned) == text


@pytest.mark.parametrize("size", [5, 2000])
def test_characters_and_pairs_are_counted(size: int) -> None:
    numbers = np.random.default_rng(0).integers(size, size=300).astype(np.uint16)
    assert count(numbers, size).tolist() == [Counter(numbers.tolist())[n] for n in range(size)]
    pairs, counts = count_pairs(numbers, size)
    expected = Counter(a * size + b for a, b in pairwise(numbers.tolist()))
    assert dict(zip(pairs.tolist(), counts.tolist(), strict=True)) == expected
    assert pairs.tolist() == sorted(expected)
    assert count_pairs(numbers[:1], size)[0].tolist() == []


def test_reading_takes_little_more_memory_than_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(characters, "_PIECE", 2**14)
    file = tmp_path / "text"
    file.write_text("All the world's a stage.\n" * 2**16, encoding="utf-8")
    size = file.stat().st_size
    tracemalloc.start()
    try:
        read_characters(str(file), key="task.path", encoding=None)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    table = 4 * 0x110000
    assert most < 1.5 * size + table
