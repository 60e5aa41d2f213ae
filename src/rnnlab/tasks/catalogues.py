"""English-French pairs of the message catalogues that the package Django carries."""

import re
from collections.abc import Iterator
from functools import cached_property
from html import unescape
from typing import NamedTuple

from rnnlab.spec import Split
from rnnlab.tasks.corpus import TextFiles
from rnnlab.tasks.package_data import package_files

_FIELD = re.compile(r'^(msg\w+(?:\[\d+\])?) "(.*)"$|^"(.*)"$')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t"}  # others stand for themselves
_TAG = re.compile(r"</?\w[^<>]*>|<!--.*?-->")
_PLACEHOLDER = re.compile(r"%\(\w+\)[#0-9.]*[a-z]|\{[\w.!:]*\}|%[#0-9.]*[sdrif]\b")
_WORD = re.compile(r"[^\W\d_]{2}")
_NAMES = "XYZWVUTSRQ"  # of the first placeholder of a message, the second, ...


class Message(NamedTuple):
    """An entry of a catalogue.

    Attributes:
        sources: the message, and its plural where it has one.
        targets: its translations by number, one where it has no plural: the first is of one thing,
            the last of any other number.
    """

    sources: list[str]
    targets: list[str]


class DjangoCatalogues(TextFiles):
    """Django's French catalogues as a text of lines `English<TAB>French`.

    Copyright of the Django Software Foundation and its translators, under the BSD licence with
    three clauses; the files are read where they are installed, and nothing of them is kept but
    the vocabulary of a run.
    """

    packaged = True

    def read(self, split: Split) -> str:  # noqa: ARG002
        """Return all pairs, each once, sorted."""
        return "".join(f"{source}\t{target}\n" for source, target in sorted(self._messages))

    def message(self, pair: tuple[str, str]) -> str:
        """Return the message that a pair is of; its singular and its plural are two pairs."""
        return self._messages[pair]

    @cached_property
    def _messages(self) -> dict[tuple[str, str], str]:
        """The message of each pair.

        Raises:
            ConfigError: the package is not installed.
        """
        found: dict[tuple[str, str], str] = {}
        pattern = "**/locale/fr/LC_MESSAGES/*.po"
        for file in package_files("django", pattern, "task.source=django"):
            for sources, targets in read_messages(file.read_text(encoding="utf-8")):
                for source, target in zip(sources, (targets[0], targets[-1]), strict=False):
                    pair = plain_pair(source, target)
                    if all(_WORD.search(text) for text in pair):
                        found[pair] = plain_pair(sources[0], "")[0]
        return found


def read_messages(text: str) -> Iterator[Message]:
    """Yield the entries of a catalogue in gettext's format `.po` that are translated and current.

    An entry marked as `fuzzy` is a guess, and one that begins with `#~` is out of use; contexts
    and comments are left out, and so is the heading, whose message is empty.
    """
    for entry in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = entry.split("\n")
        if any(line.startswith("#,") and "fuzzy" in line for line in lines):
            continue
        fields: dict[str, str] = {}
        name = ""
        for found in filter(None, map(_FIELD.match, lines)):
            name = found[1] or name
            fields[name] = fields.get(name, "") + (found[2] or found[3] or "")
        message = Message(
            [_unescape(fields[key]) for key in ("msgid", "msgid_plural") if key in fields],
            [_unescape(value) for key, value in fields.items() if key.startswith("msgstr")],
        )
        if all(message.sources) and any(message.targets):
            yield message


def plain_pair(source: str, target: str) -> tuple[str, str]:
    """Return a message and its translation without markup, and with letters for placeholders.

    Tags are removed, entities become characters, and all white space is one space. The
    placeholders of the message (`%(name)s`, `{name}`, `%d`) are `X`, `Y`, `Z`, ..., in the order
    in which they stand in it, and the same ones are the same letters in the translation.
    Typographer's apostrophes become typewriter's, for the catalogues have both.
    """
    letters: dict[str, str] = {}

    def letter(found: re.Match[str]) -> str:
        return letters.setdefault(found[0], _NAMES[len(letters) % len(_NAMES)])

    def plain(text: str) -> str:
        text = unescape(_TAG.sub(" ", _PLACEHOLDER.sub(letter, text))).replace("%%", "%")
        return " ".join(text.replace("\u2019", "'").split())

    return plain(source), plain(target)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text)
