"""Arguments of the commands that use a run."""

import re
import sys
from importlib import import_module

import pytest

import rnnlab
from rnnlab.cli.arguments import parse_arguments
from rnnlab.errors import ConfigError
from rnnlab.ranges import PositiveInt

FIELDS = {"run": str, "prompt": str | None, "length": PositiveInt | None}
DEFAULTS = {"prompt": None, "length": None}


@pytest.fixture
def read(monkeypatch):
    def read(*words: str) -> tuple[dict, list[str]]:
        monkeypatch.setattr(sys, "argv", ["command", *words])
        return parse_arguments("how to", FIELDS, DEFAULTS)

    return read


def test_own_words_are_read_and_the_rest_is_left_for_the_config(read):
    own, rest = read("run=a=b", "length=3", "task.length=4", "threads=2")
    assert own == {"run": "a=b", "prompt": None, "length": 3}
    assert rest == ["task.length=4", "threads=2"]


@pytest.mark.parametrize("text", ["3", "true", "a: b", "[", " x ", "~", ""])
def test_a_text_stays_as_it_was_typed(read, text):
    assert read("run=1", f"prompt={text}")[0]["prompt"] == text


def test_null_is_null(read):
    assert read("run=1", "prompt=null", "length=null")[0] == {
        "run": "1",
        "prompt": None,
        "length": None,
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["length=3"], "run=DIR is missing"),
        (["run=1", "length=[3"], "length must be a whole number, got '[3'"),
        (["run=1", "lenth=3"], "lenth is not a setting: did you mean length?"),
        (["run=1", "packges=[x]"], "packges is not a setting: did you mean packages?"),
        (["run=1", "a\nb=3"], r"a\nb is not a setting"),
        (["run=1", "=3"], "'=3' can't be read as KEY=VALUE"),
        (["run=1", "length=1:30"], "length must be a whole number, got '1:30'"),
        (["run=1", "length=2020-99-99"], "length must be a whole number, got '2020-99-99'"),
        (["run=1", "length=" + "[" * 5000], "length must be a whole number, got '[[["),
        (["run=1", "length=" + "9" * 5000], "length must be a whole number, got inf"),
        (["run=1", "length=nan"], "length must be a whole number, got nan"),
        (["run=1", "length"], "'length' can't be read as KEY=VALUE: did you mean length=VALUE?"),
        (
            ["--run", "1"],
            "--run is not an option; settings are KEY=VALUE, without dashes: did you ",
        ),
        (["run=1", "--length=30"], "--length is not an option; settings are KEY=VALUE, without "),
        (["run=1", "--length", "30"], "--length is not an option; settings are KEY=VALUE, without"),
    ],
)
def test_mistakes_are_named(read, words, said):
    with pytest.raises(ConfigError) as caught:
        read(*words)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--run", "here"], "run=here"),
        (["--length=30"], "length=30"),
        (["-length", "run=1"], "length=VALUE"),
    ],
)
def test_an_option_of_another_tools_kind_is_answered_with_the_setting(read, words, meant):
    with pytest.raises(ConfigError) as caught:
        read(*words)
    assert str(caught.value).endswith(f": did you mean {meant}?")


def test_a_directory_alone_is_taken_for_the_run(read, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(f"did you mean run={tmp_path}?")):
        read(str(tmp_path))


def test_help_is_the_usage(read, capsys):
    with pytest.raises(SystemExit) as end:
        read("run=1", "-h")
    assert not end.value.code
    assert capsys.readouterr().out == "how to\n"


@pytest.mark.parametrize("name", ["train", "evaluate", "list", "report"])
def test_every_command_says_its_version(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["command", "--version"])
    import_module(f"rnnlab.cli.{name}").main()
    assert capsys.readouterr().out == f"rnnlab-{name} {rnnlab.__version__}\n"
