"""Tab completion: of runs, files, keys and their options, by the function that a shell calls."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from rnnlab.cli import completion
from rnnlab.cli.completion import Completions, candidates, script
from tests.reports.fabricate import fabricate

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with two runs, a text and some more."""
    words = {"task.delay": 7, "model": "gru", "data.val_size": 5}
    for name in ("2026-01", "2026-02"):
        fabricate(tmp_path / "outputs" / "copy" / "gru", words, name=name)
    (tmp_path / "other").mkdir()
    (tmp_path / "words.txt").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def asked(place, run_main, monkeypatch):
    """Give a function of a line: what its command answers the shell."""

    def asked(line: str) -> list[str]:
        assert place.is_dir()
        monkeypatch.setenv("COMP_LINE", line)
        command = line.split()[0]
        main = import_module(f"rnnlab.cli.{command.removeprefix('rnnlab-')}").main
        status, out, _ = run_main(main, command, "-sc", "query=bash")
        assert status in (0, None)
        return out.split()

    return asked


RUNS = [f"outputs/copy/gru/2026-0{n}" for n in (1, 2)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("rnnlab-evaluate run=", ["run=other/", "run=outputs/"]),
        ("rnnlab-evaluate run=out", [f"run={run}" for run in RUNS]),
        ("rnnlab-evaluate run=outputs/copy/gru/2026-02", [f"run={RUNS[1]}"]),
        ("rnnlab-evaluate run=nowhere/", []),
        ("rnnlab-evaluate run=x split=", ["split=val", "split=test"]),
        ("rnnlab-evaluate run=x ch", ["checkpoint="]),
        (f"rnnlab-evaluate run={RUNS[0]} task.d", ["task.delay="]),
        (f"rnnlab-evaluate run={RUNS[0]} task.delay=", ["task.delay=7"]),
        ("rnnlab-sample run=x prompt_file=w", ["prompt_file=words.txt"]),
        ("rnnlab-predict run=x input=w", ["input=words.txt"]),
        ("rnnlab-predict run=x format=", ["format=text", "format=tsv", "format=csv"]),
        ("rnnlab-export run=x to=", ["to=safetensors", "to=onnx"]),
        ("rnnlab-analyze run=x analysis=lyap", ["analysis=lyapunov"]),
        ("rnnlab-diff out", RUNS),
        ("rnnlab-diff a b only=we", ["only=weights"]),
        ("rnnlab-report ot", ["other/"]),
        ("rnnlab-runs --", ["--json", "--help", "--version"]),
        ("rnnlab-list mod", ["models"]),
        ("rnnlab-reproduce hinton_b", ["hinton_binary_adder"]),
        ("rnnlab-reproduce tier=s", ["tier=smoke"]),
        ("rnnlab-train resume=out", [f"resume={run}" for run in RUNS]),
        ("rnnlab-train init_from=out", [f"init_from={run}" for run in RUNS]),
        ("rnnlab-train task=next_char task.path=w", ["task.path=words.txt"]),
        ("rnnlab-train model=mr", ["model=mrnn"]),
        ("rnnlab-train model=gru task=copy_", ["task=copy_repeat", "task=copy_reverse"]),
    ],
)
def test_what_can_stand_on_a_line_is_offered(asked, line, found):
    assert asked(line) == found


def test_keys_are_offered_after_a_space(monkeypatch):
    monkeypatch.setenv("COMP_LINE", "rnnlab-thing run=x ")
    assert candidates(Completions({"run": str, "seed": int})) == ["run=", "seed="]


def test_every_command_is_completed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {f"rnnlab-{name}" for name in completion.COMMANDS} == set(project["scripts"])
    for name in completion.COMMANDS:
        assert f"rnnlab-{name}" in script()


@pytest.fixture
def shell(place):
    """Complete a line by bash's own function, from a command that is on PATH."""
    if shutil.which("bash") is None:
        pytest.skip("bash is missing")
    (place / "bin").mkdir()
    launcher = place / "bin" / "rnnlab-evaluate"
    command = [sys.executable, str(ROOT / "scripts" / "evaluate.py")]
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    launcher.chmod(0o755)

    def complete(line: str, breaks: str) -> list[str]:
        words = shlex.join(re.split(r"\s+|(?<==)", line) if "=" in breaks else line.split(" "))
        code = [
            f'eval "$({shlex.join(command)} -sc install=bash)"',
            f"COMP_WORDBREAKS={shlex.quote(breaks)} COMP_LINE={shlex.quote(line)}",
            f"COMP_POINT={len(line)} COMP_WORDS=({words})",
            "_rnnlab_complete; printf '%s|' \"${COMPREPLY[@]}\"",
        ]
        path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", "\n".join(code)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PATH": path},
        )
        return done.stdout.split("|")[:-1]

    return complete


def test_a_shell_replaces_what_stands_after_the_equals_sign(shell):
    assert shell("rnnlab-evaluate run=out", " =:") == [f"{run} " for run in RUNS]


@pytest.mark.thorough
def test_a_shell_that_breaks_no_word_there_replaces_the_whole_word(shell):
    assert shell("rnnlab-evaluate run=out", " ") == [f"run={run} " for run in RUNS]
    assert shell("rnnlab-evaluate run=o", " ") == ["run=other/", "run=outputs/"]
