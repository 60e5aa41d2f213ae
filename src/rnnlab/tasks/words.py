r"""Splitting of texts of any script into words, and joining of words to a text.

Combining marks and joiners belong to the character before them, so that no extended grapheme
cluster (Unicode Standard Annex #29) is split. Of the annex this needs the categories of marks and a
few more characters, for which Python's `re` and `unicodedata` suffice.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from unicodedata import category

_APOSTROPHES = "'\u2019"  # typewriter's, typographer's
_CLOSING = frozenset(".,)]}…\u0964\u0965\u060c\u061b\u061f\u06d4")  # of Hindi and Arabic too

# Scripts without spaces between words, in which each grapheme counts as a word.
_UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x312F),  # radicals, kana, Bopomofo
    (0x3190, 0x9FFF),  # Bopomofo, kana, Han
    (0xA9E0, 0xA9FF),  # Myanmar
    (0xAA60, 0xAADF),  # Myanmar, Tai Viet
    (0xF900, 0xFAFF),  # Han
    (0xFF66, 0xFF9D),  # kana of half the width
    (0x11700, 0x1174F),  # Ahom
    (0x1AFF0, 0x1B16F),  # kana
    (0x20000, 0x3FFFF),  # Han
)
# Characters that extend the one before them but are not marks by category: joiners, Thai and Lao
# am, geresh, half-width sound marks, skin colours, flag tags.
_EXTENDING = "\u200c\u200d\u0e33\u0eb3\u05f3\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
_MARKED_BLOCKS = ((0x0300, 0x1FFFF), (0xE0100, 0xE01EF))  # all marks are in these
_LINKERS = "\u1039\u17d2\u1a60"  # the next letter is stacked below: Myanmar, Khmer, Tai Tham
_HEBREW_MARK = "\u05f4"  # gershayim, before the last letter of an abbreviation
_FLAGS = "\U0001f1e6-\U0001f1ff"  # two of these letters are a flag
_BEFORE = "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"  # signs before a number
_SIGN = re.compile(
    "[\u3001-\u303f\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)  # of CJK

_ASCII = re.compile(r"\w+(?:'|(?:-\w+)*+)|[^\w\s]")  # what `_pattern` is for ASCII, and faster


def cut_words(text: str) -> list[str]:
    """Split a text in composed form (NFC) into words and punctuation, without spaces.

    A word is a sequence of letters and digits, with hyphens between them; it ends after an
    apostrophe, so that `l'` is a word. In scripts without spaces (Chinese, Japanese, Thai, Lao,
    Khmer, Burmese) each grapheme is a word. Any other character is a word of its own, as are joined
    emoji and the two letters of a flag.
    """
    return (_ASCII if text.isascii() else _pattern()).findall(text)


def join_words(words: list[str]) -> str:
    """Join words with spaces, except in scripts without spaces and before a full stop."""
    return "".join(
        word if _no_space(before, word) else f" {word}" for before, word in pairwise(["", *words])
    )


def _no_space(before: str, word: str) -> bool:
    """Whether there is no space between two words."""
    if not before or before.endswith(tuple(_APOSTROPHES)) or word in _CLOSING:
        return True
    if _SIGN.match(before) or _SIGN.match(word):
        return True
    grapheme = _grapheme()
    return grapheme.match(before) is not None and grapheme.match(word) is not None


@cache
def _grapheme() -> re.Pattern[str]:
    """Return the pattern of a letter of a script without spaces."""
    return re.compile(f"[{_unspaced()}]")


@cache
def _pattern() -> re.Pattern[str]:
    unspaced, marks = _unspaced(), f"[{_marks()}{_EXTENDING}]*+"
    letter = rf"[^\W{unspaced}]{marks}"
    word = rf"{letter}(?:{_HEBREW_MARK}?{letter})*+"
    return re.compile(
        rf"[{_BEFORE}]*(?:{word}(?:[{_APOSTROPHES}]{marks}|(?:-{word})*+)"
        rf"|[{unspaced}]{marks}(?:(?<=[{_LINKERS}])[{unspaced}]{marks})*+"
        rf"|[{_FLAGS}]{{2}}{marks}"
        rf"|[^\w\s]{marks}(?:(?<=\u200d)[^\w\s]{marks})*+)"
    )


@cache
def _unspaced() -> str:
    """Return the letters and numerals of scripts without spaces, for a character class."""
    codes = (code for first, last in _UNSPACED_BLOCKS for code in range(first, last + 1))
    return _ranges(c for c in codes if chr(c).isalnum() and not chr(c).isdecimal())


@cache
def _marks() -> str:
    """Return all marks (categories Mn, Mc, Me), for a character class."""
    codes = (code for first, last in _MARKED_BLOCKS for code in range(first, last + 1))
    return _ranges(c for c in codes if category(chr(c))[0] == "M")


def _ranges(codes: Iterator[int]) -> str:
    """Format ascending code points as ranges of a character class."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
