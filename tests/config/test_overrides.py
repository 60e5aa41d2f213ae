"""Errors of one override, and paths that Hydra's grammar can't read."""

from pathlib import Path

import pytest

from rnnlab.config.overrides import parse_override, with_quoted_paths
from rnnlab.errors import ConfigError


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model=elman,", "a value is missing beside a comma"),
        ("model=,elman", "a value is missing beside a comma"),
        ("model=elman,,lstm", "a value is missing beside a comma"),
        ("model==elman", "it has = twice; a text with signs stands in quotes: 'model=\"=elman\"'"),
        ("model:elman", "it has no =: did you mean model=elman?"),
        ("model", "it has no ="),
        ("--lr=3", "settings are given without dashes"),
        ("a b=3", "its key can't hold ' '"),
        ("seed=[1,2", "a [ is not closed; a text with"),
        ("seed=1]", "a ] closes nothing; a text with"),
        ("seed=[1)", "a ) closes nothing"),
        ("monitor='a", "a ' is not closed"),
        ('monitor=a"b', 'a " is not closed'),
        ("monitor=a&b", "its value can't hold '&' outside quotes; a text with"),
        ("monitor=a=b", "'=' can't stand there outside quotes; a text with"),
        ("monitor=a b (1)", "'(' can't stand there outside quotes; a text with"),
        ("monitor={a}", "its brackets hold no list and no mapping; a text with"),
    ],
)
def test_an_error_of_the_grammar_is_explained_without_the_parsers_tokens(word, said):
    with pytest.raises(ConfigError) as refused:
        parse_override(word)
    assert str(refused.value).startswith(f"{word!r} can't be read as KEY=VALUE: {said}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that is the working directory, too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


NAMES = ["plain.txt", "a,b.txt", "a b.txt", "text (1).txt", "Wörter.txt", "l'un.txt", "a=b.txt"]
NAMES += ["2024", "a&b;c!.txt", "100%.txt", "[1].txt", "{a}.txt", "true", "back\\slash", "日本語"]
NAMES += ['say "it".txt', "a, b.txt", "a:b", "#1.txt", "choice(1,2)"]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["task.path", "task.val_path", "output_dir", "init_from"])
def test_a_path_that_is_there_is_read_as_it_is_called(home, key, name, several):
    (home / name).touch()
    for path in (name, f"./{name}", str(home / name)):
        (word,) = with_quoted_paths([f"{key}={path}"], several=several)
        assert (parse_override(word).key_or_group, parse_override(word).value()) == (key, path)


@pytest.mark.parametrize(
    "path", ["~", "~/x", "'~/x'", '"~/x y"', "~/a,b.txt", "~/Wörter", "~/x (1)"]
)
def test_the_home_directory_is_found(home, path):
    (home / "a,b.txt").touch()
    (word,) = with_quoted_paths([f"task.path={path}"])
    assert parse_override(word).value() == path.strip("'\"").replace("~", str(home))


@pytest.mark.usefixtures("home")
def test_somebody_elses_home_that_is_not_there_stays():
    (word,) = with_quoted_paths(["output_dir=~nobody-of-that-name/x"])
    assert parse_override(word).value() == "~nobody-of-that-name/x"


def test_paths_that_are_swept_are_each_read_so(home):
    (word,) = with_quoted_paths(["task.path=~/x,y.txt"], several=True)
    assert list(parse_override(word).sweep_iterator()) == [f"{home}/x", "y.txt"]


def test_a_comma_parts_files_that_are_all_there(home):
    for name in ("a", "b", "a,b"):
        (home / name).touch()
    assert with_quoted_paths(["task.path=a,b"], several=True) == ["task.path=a,b"]
    assert parse_override(with_quoted_paths(["task.path=a,b"])[0]).value() == "a,b"


@pytest.mark.parametrize(
    "word",
    [
        *("task.path=a,b", "task.path=null", "task.path=", "task.path='a,b'", "task.path=${a.b}"),
        *("task.path=a/b.txt", "monitor=~x", "task.path=[a]", "task.path='a", "~task.path"),
        *("output_dir=a\nb", "output_dir=\udcff", "task.path=choice(a,b)", "task.path=a\\,b"),
    ],
)
def test_what_is_no_such_path_stays_as_it_was_typed(home, word):  # noqa: ARG001
    assert with_quoted_paths([word]) == [word]
