"""Texts from anywhere, spelt so that they can be shown."""

import unicodedata

_JOINERS = "\u200c\u200d"  # they shape Persian, Indic scripts and emoji


def printable(text: str, *, lines: bool = False) -> str:
    r"""Spell what is not printable as escapes: ESC becomes `\x1b`.

    That is control, format (bidirectional too), private and unassigned characters, and lone
    surrogates. Letters, marks, emoji, spaces of any kind and the two joiners stay.

    Args:
        text: from anywhere.
        lines: whether newlines and tabs stay too.
    """
    if text.isprintable():
        return text
    kept = _JOINERS + ("\n\t" if lines else "")
    return "".join(
        c
        if c.isprintable() or c in kept or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode()
        for c in text
    )


def brief(text: str, most: int) -> str:
    """Leave out the middle of a text that is longer than `most` characters."""
    if len(text) <= most:
        return text
    last = most // 4
    return f"{text[: most - last - 5]} ... {text[len(text) - last :]}"
