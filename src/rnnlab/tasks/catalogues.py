"""English-French pairs of the message catalogues that installed projects carry."""

import re
import struct
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import NamedTuple

from rnnlab.errors import ConfigError
from rnnlab.spec import Split
from rnnlab.tasks.corpus import TextFiles
from rnnlab.tasks.package_data import project_files

_FRENCH = re.compile(r"(?:^|/)fr(?:[_-]FR)?/LC_MESSAGES/[^/]+\.(?:po|mo)$")
_FIELD = re.compile(r'^(msg\w+(?:\[\d+\])?) "(.*)"$|^"(.*)"$')
_DEFAULT = re.compile(r'^#\. Default: "(.*)"$', re.MULTILINE)
_MAGIC = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}  # of .mo, and its order of bytes
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


class Catalogues(TextFiles):
    """French catalogues of installed projects as a text of lines `English<TAB>French`.

    Copyright of each project's authors and translators, under the project's licence; the files are
    read where they are installed, and nothing of them is kept but the vocabulary of a run.

    `path` holds the names of the projects on PyPI, separated by commas.
    """

    packaged = True

    def read(self, split: Split) -> str:  # noqa: ARG002
        """Return all pairs, each once, sorted."""
        return "".join(f"{source}\t{target}\n" for source, target in sorted(self._pairs))

    def message(self, pair: tuple[str, str]) -> str:
        """Return the message that a pair is of, for the singular and the plural are two pairs.

        Messages of which one's singular is another's plural are one.
        """
        return self._names[pair[0]]

    @cached_property
    def _messages(self) -> list[list[tuple[str, str]]]:
        """The pairs of each message, one or two, the singular first.

        Raises:
            ConfigError: a project is not installed, or a file of it can't be read.
        """
        assert self.path is not None
        files = project_files(sorted(self.path.split(",")), _FRENCH, "task.source")
        written = {file for file in files if file.suffix == ".po"}
        return [
            [
                plain_pair(source, target)
                for source, target in zip(sources, (targets[0], targets[-1]), strict=False)
            ]
            for file in files
            if file.suffix == ".po" or file.with_suffix(".po") not in written
            for sources, targets in _messages_of(file)
        ]

    @cached_property
    def _pairs(self) -> set[tuple[str, str]]:
        """The pairs that have words."""
        pairs = (pair for message in self._messages for pair in message)
        return {pair for pair in pairs if all(_WORD.search(text) for text in pair)}

    @cached_property
    def _names(self) -> dict[str, str]:
        """The name of the message that each source is of."""
        names: dict[str, str] = {}
        for message in self._messages:
            sources = [source for source, _ in message]
            name, *others = {names.get(source, sources[0]): None for source in sources}
            names |= dict.fromkeys(sources, name)
            if others:
                names |= {source: name for source, old in names.items() if old in others}
        return names


def _messages_of(file: Path) -> Iterator[Message]:
    """Read a catalogue.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        data = file.read_bytes()
        yield from read_compiled(data) if file.suffix == ".mo" else read_messages(data.decode())
    except (OSError, UnicodeDecodeError, KeyError, struct.error) as error:
        raise ConfigError(f"task.source: {file} is no catalogue in UTF-8: {error}") from error


def read_compiled(data: bytes) -> Iterator[Message]:
    """Yield the translated entries of a catalogue in gettext's binary format `.mo`.

    It begins with seven numbers: a mark of the format, its version, the number of entries, where
    the tables of messages and of translations begin, and two of no matter here. A table has the
    length and the place of each text. (Python's `gettext` forgets the English plurals.)
    """
    order = _MAGIC[data[:4]]
    count, *tables = struct.unpack_from(f"{order}3I", data, 8)
    for entry in range(count):
        places = [struct.unpack_from(f"{order}2I", data, table + 8 * entry) for table in tables]
        texts = [data[start : start + length].decode() for length, start in places]
        sources, targets = texts[0].split("\4")[-1].split("\0"), texts[1].split("\0")
        if all(sources) and any(targets):
            yield Message(sources, targets)


def read_messages(text: str) -> Iterator[Message]:
    """Yield the entries of a catalogue in gettext's format `.po` that are translated and current.

    An entry marked as `fuzzy` is a guess, and one that begins with `#~` is out of use; contexts
    and comments are left out, and so is the heading, whose message is empty. Where the message is
    a name such as `label_title`, it is the text of the comment `#. Default: "Title"` (Plone).
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
        default = _DEFAULT.search(entry)
        if default:
            fields["msgid"] = default[1]
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
        text = unicodedata.normalize("NFC", text.replace("\u2019", "'"))
        return " ".join(text.split())

    return plain(source), plain(target)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text)
