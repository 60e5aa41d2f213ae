"""Texts of any origin, made printable and short enough for a terminal."""

import unicodedata

_JOINERS = "\u200c\u200d"  # they shape Persian, Indic scripts and emoji


def printable(text: str, *, lines: bool = False) -> str:
    r"""Replace characters that are not printable by escapes: ESC becomes `\x1b`.

    Those are control, format (also bidirectional), private and unassigned characters, and lone
    surrogates. Letters, marks, emoji, all spaces and the two joiners are kept.

    Args:
        text: any text.
        lines: whether newlines and tabs are kept too.
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
    """Omit the middle of a text that is longer than `most` characters."""
    if len(text) <= most:
        return text
    last = most // 4
    return f"{text[: most - last - 5]} ... {text[len(text) - last :]}"


def first_line(message: BaseException | str) -> str:
    """Return the first line of an error or a text, shortened, without lone surrogates."""
    line = (str(message).strip() or type(message).__name__).splitlines()[0]
    line = line if len(line) <= 200 else f"{line[:197]}..."
    return line.encode(errors="backslashreplace").decode()
