"""Words are cut as readers of each script see them, and no mark is parted from its letter."""

# ruff: noqa: RUF001 (letters of other scripts are what is tested)

import re
import sys
import unicodedata

import numpy as np
import pytest

from rnnlab.tasks.words import _MARKED_BLOCKS, _pattern, cut_words, join_words

FAMILY = "👩\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("l'été n'est, dit-on.", "l' été n' est , dit-on ."),
        ("d’oranges (3.14)", "d’ oranges ( 3 . 14 )"),
        ("dogs' tails-", "dogs' tails -"),
        ("मैं हिन्दी में लिखता हूँ।", "मैं हिन्दी में लिखता हूँ ।"),
        ("தமிழ் மொழி பிடிக்கும்", "தமிழ் மொழி பிடிக்கும்"),
        ("בְּרֵאשִׁית בָּרָא אֱלֹהִים", "בְּרֵאשִׁית בָּרָא אֱלֹהִים"),
        ("צה״ל ג׳ירפה", "צה״ל ג׳ירפה"),
        ("می\u200cخواهم بروم", "می\u200cخواهم بروم"),
        ("한국어 문장.", "한국어 문장 ."),
        ("ฉันรักน้ำ ๑๒", "ฉั น รั ก น้ำ ๑๒"),
        ("ខ្ញុំស្រឡាញ់", "ខ្ញុំ ស្រ ឡា ញ់"),
        ("我喜欢Python，很好。", "我 喜 欢 Python ， 很 好 。"),
        ("コーヒー", "コ ー ヒ ー"),
        ("か\u3099", "が"),
        (f"{FAMILY}👍🏽!", f"{FAMILY} 👍🏽 !"),
        ("🇫🇷🇩🇪🇫", "🇫🇷 🇩🇪 🇫"),
        ("🏳️\u200d🌈❤️\u200d🔥1️⃣", "🏳️\u200d🌈 ❤️\u200d🔥 1️⃣"),
        (
            "\U0001f3f4\U000e0067\U000e0062\U000e007f a",
            "\U0001f3f4\U000e0067\U000e0062\U000e007f a",
        ),
        (" \u0301a \u200d", "\u0301 a \u200d"),
        ("", ""),
    ],
)
def test_a_text_is_cut_into_the_words_that_its_readers_see(text: str, words: str) -> None:
    assert cut_words(unicodedata.normalize("NFC", text)) == words.split()


@pytest.mark.parametrize(
    "text",
    [
        "l'été n'est pas fini, dit-on.",
        "我喜欢你，Python 很好。",
        "ฉันรักน้ำ ๑๒",
        "हिन्दी में",
        "私はコーヒーが好きです。",
    ],
)
def test_words_are_joined_as_they_are_written(text: str) -> None:
    text = unicodedata.normalize("NFC", text)
    assert join_words(cut_words(text)) == text


def test_latin_words_are_cut_as_ever() -> None:
    pattern = re.compile(r"\w+['’]|\w+(?:-\w+)*|[^\w\s]")
    letters = np.array(list("abcé'’- .,_1?\n"))
    rng = np.random.default_rng(0)
    for _ in range(3000):
        text = "".join(rng.choice(letters, size=12))
        assert cut_words(text) == pattern.findall(text), repr(text)


def test_a_text_of_ascii_is_cut_as_any_other_is() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        text = "".join(map(chr, rng.integers(128, size=15)))
        assert cut_words(text) == _pattern().findall(text), repr(text)


def test_nothing_is_lost_and_no_mark_begins_a_word_behind_a_letter() -> None:
    codes = range(0x21, 0x2FFFF)
    pool = [chr(c) for c in codes if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs")]
    marks = [c for c in pool if unicodedata.category(c)[0] == "M"]
    rng = np.random.default_rng(0)
    for letter, mark in zip(rng.choice(pool, 20_000), rng.choice(marks, 20_000), strict=True):
        text = f"{letter}{mark}"
        words = cut_words(text)
        assert "".join(words) == "".join(text.split())
        if not letter.isspace():
            assert words == [text], ascii(text)


def test_all_marks_are_known() -> None:
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] == "M":
            assert any(first <= code <= last for first, last in _MARKED_BLOCKS), hex(code)
