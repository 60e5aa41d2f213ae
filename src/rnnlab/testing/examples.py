"""Small files for tasks that would else read those of packages, in their formats."""

from collections.abc import Callable

import numpy as np

_ROWS = 60


def text() -> str:
    """Return lines of English."""
    return "".join(f"line {n} of {n * n}: the dog sleeps on.\n" for n in range(150))


def words() -> str:
    """Return a text of few words in no order."""
    drawn = np.random.default_rng(0).choice(["the", "dog", "sleeps", "and", "cat", "\n"], 1500)
    return " ".join(drawn)


def labelled() -> str:
    """Return lines of a text, a tab and one of three labels."""
    return "".join(f"{'abcd' * (n % 3 + 1)}{n}\t{'xyz'[n % 3]}\n" for n in range(_ROWS))


def pronunciations() -> str:
    """Return words of three letters and their phonemes, of which `x` has two and `e` none."""
    sounds = {"a": " AH", "k": " K", "x": " K S", "e": ""}
    words = ("".join("akxe"[n // 4**k % 4] for k in range(3)) for n in range(1, 64))
    return "".join(f"a{word}{''.join(sounds[a] for a in 'a' + word)}\n" for word in words)


def pictures() -> str:
    """Return pictures of 3x3 pixels with three labels."""
    levels = np.random.default_rng(0).integers(17, size=(_ROWS, 9))
    return "".join(f"{','.join(map(str, row))},{n % 3}\n" for n, row in enumerate(levels))


def recordings() -> str:
    """Return recordings of two channels with three labels, of 3 to 6 steps."""
    rng = np.random.default_rng(0)
    lines = ["@data"]
    for number in range(_ROWS):
        channels = rng.normal(size=(2, 3 + number % 4)).round(3)
        lines.append(":".join([*(",".join(map(str, c)) for c in channels), "abc"[number % 3]]))
    return "\n".join(lines) + "\n"


FILES: dict[str, Callable[[], str]] = {
    "next_char": text,
    "next_word": words,
    "next_pixel": pictures,
    "labels": labelled,
    "caption": pictures,
    "digits": pictures,
    "phonemes": pronunciations,
    "phonemes_aligned": pronunciations,
    "motions": recordings,
    "speakers": recordings,
    "gestures": recordings,
}
"""Task -> what `task.path` may hold."""
