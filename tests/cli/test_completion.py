"""Tab completion: of runs, files, keys and their options, by the function that a shell calls."""

import os
import re
import select
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import fresh
from rnnlab.cli import completion
from rnnlab.cli.completion import Completions, candidates, script
from tests.calls import PATIENCE
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
        for shell in ("bash", "zsh", "fish"):
            assert f"rnnlab-{name}" in str(script(["-sc", f"install={shell}"]))


def test_every_command_is_used_where_nothing_is_installed_yet():
    assert set(fresh.USES) == set(completion.COMMANDS)


@pytest.fixture
def on_path(place, monkeypatch):
    """Put rnnlab-evaluate on PATH, and give what installs its completion."""
    (place / "bin").mkdir()
    launcher = place / "bin" / "rnnlab-evaluate"
    command = shlex.join([sys.executable, str(ROOT / "scripts" / "evaluate.py")])
    launcher.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", str(place / "bin"), prepend=os.pathsep)
    return f"{command} -sc install="


@pytest.fixture
def shell(on_path):
    """Complete a line by bash's own function, from a command that is on PATH."""
    if shutil.which("bash") is None:
        pytest.skip("bash is missing")

    def complete(line: str, breaks: str) -> list[str]:
        words = shlex.join(re.split(r"\s+|(?<==)", line) if "=" in breaks else line.split(" "))
        code = [
            f'eval "$({on_path}bash)"',
            f"COMP_WORDBREAKS={shlex.quote(breaks)} COMP_LINE={shlex.quote(line)}",
            f"COMP_POINT={len(line)} COMP_WORDS=({words})",
            "_rnnlab_complete; printf '%s|' \"${COMPREPLY[@]}\"",
        ]
        return ran("bash", "-c", "\n".join(code)).split("|")[:-1]

    return complete


def ran(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_shell_replaces_what_stands_after_the_equals_sign(shell):
    assert shell("rnnlab-evaluate run=out", " =:") == [f"{run} " for run in RUNS]


@pytest.mark.thorough
def test_a_shell_that_breaks_no_word_there_replaces_the_whole_word(shell):
    assert shell("rnnlab-evaluate run=out", " ") == [f"run={run} " for run in RUNS]
    assert shell("rnnlab-evaluate run=o", " ") == ["run=other/", "run=outputs/"]


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is missing")
def test_fish_completes(on_path):
    def complete(line: str) -> list[str]:
        return ran("fish", "-c", f"{on_path}fish | source; complete -C {line!r}").splitlines()

    assert complete("rnnlab-evaluate run=out") == [f"run={run}" for run in RUNS]
    assert complete("rnnlab-evaluate sp") == ["split="]


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is missing")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("run=ot", "run=other/"),
        ("sp", "split="),
        ("run=x split=v", "run=x split=val "),
    ],
)
def test_zsh_completes(on_path, typed, completed):
    """Type at a terminal, since zsh completes nowhere else."""
    master, terminal = os.openpty()
    zsh = subprocess.Popen(
        ["zsh", "-f", "-i"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        env={**os.environ, "TERM": "dumb", "HOME": os.getcwd()},
    )
    os.close(terminal)
    try:
        os.write(master, f'eval "$({on_path}zsh)"; PROMPT=re""ady\n'.encode())
        read_until(master, "ready")
        os.write(master, f"rnnlab-evaluate {typed}\t".encode())
        read_until(master, f"rnnlab-evaluate {completed}")
    finally:
        zsh.kill()
        zsh.wait()
        os.close(master)


def read_until(terminal: int, wanted: str) -> None:
    """Read what a terminal shows until that is there; fails if nothing more comes."""
    said = ""
    while wanted not in said:
        assert select.select([terminal], [], [], PATIENCE)[0], said
        said += re.sub(r"\x1b\[[\d;?]*\w|\r", "", os.read(terminal, 65536).decode())
