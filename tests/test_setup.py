"""`scripts/make.py`: when it makes, fills and trusts an environment, and what it says when not.

A stand-in for uv does the installing here; the true one, with pip, is what made the environment
that these tests run in.
"""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "make.py"
UV = """#!/bin/sh
echo "$1" >> "$UV_LOG"
for last; do :; done
case "$1" in
  venv)
    mkdir -p "$last/bin"
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$UV_PYTHON" > "$last/bin/python"
    chmod +x "$last/bin/python" ;;  # a link would lead to other packages, from Python 3.12 on
  pip) [ ! -e "$UV_LOG.broken" ] ;;
esac
"""


class Checkout:
    """A copy of what the set-up reads, and a log of what it asked uv for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "scripts").mkdir(parents=True)
        shutil.copy(SCRIPT, root / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, root)
        tools = root / "tools"
        tools.mkdir()
        (tools / "uv").write_text(UV)
        (tools / "uv").chmod(0o755)
        self.log = root / "uv.log"
        self.venv = root / ".venv"

    def call(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.root / 'tools'}{os.pathsep}{os.defpath}",
            "UV_LOG": str(self.log),
            "UV_PYTHON": sys.executable,
            "RNNLAB_UV": "1",
            **settings,
        }
        command = [sys.executable, str(self.root / "scripts" / "make.py"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def asked(self) -> list[str]:
        """What uv was asked for since the last time this was called."""
        words = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return words


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "checkout")


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["make"] = module  # NamedTuple resolves its annotations there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make"]


def test_the_first_call_makes_the_environment_and_the_second_does_nothing(checkout):
    assert checkout.call("setup").returncode == 0
    assert checkout.asked() == ["venv", "pip"]
    assert checkout.call("setup").returncode == 0
    assert checkout.asked() == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_into_the_same_environment(checkout, name):
    checkout.call("setup")
    checkout.asked()
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    assert checkout.call("setup").returncode == 0
    assert checkout.asked() == ["pip"]


def test_an_installation_that_broke_off_starts_again_from_nothing(checkout):
    broken = Path(f"{checkout.log}.broken")
    broken.touch()
    first = checkout.call("setup")
    assert first.returncode == 2
    assert first.stderr.splitlines()[-1].startswith("error: could not install the packages")
    (checkout.venv / "half").touch()
    broken.unlink()
    checkout.asked()
    assert checkout.call("setup").returncode == 0
    assert checkout.asked() == ["venv", "pip"]
    assert not (checkout.venv / "half").exists()


def test_a_moved_checkout_gets_a_new_environment(checkout, tmp_path):
    checkout.call("setup")
    shutil.copytree(checkout.root, tmp_path / "moved", symlinks=True)
    checkout.root = tmp_path / "moved"
    checkout.asked()
    assert checkout.call("setup").returncode == 0
    assert checkout.asked() == ["venv", "pip"]


def test_a_vanished_interpreter_is_noticed(checkout):
    checkout.call("setup")
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    checkout.asked()
    assert checkout.call("setup").returncode == 0
    assert checkout.asked() == ["venv", "pip"]


def test_an_environment_of_the_users_own_is_never_removed(checkout):
    mine = checkout.venv / "mine"
    mine.mkdir(parents=True)
    answer = checkout.call("setup")
    assert answer.returncode == 2
    assert "was not made by this script" in answer.stderr
    assert mine.exists()


def test_the_command_runs_in_the_environment_with_its_arguments(checkout):
    answer = checkout.call("test", "--version")
    assert answer.returncode == 0, answer.stderr
    assert f"{checkout.venv}/bin/python -m pytest --version" in answer.stderr
    assert "pytest" in answer.stdout + answer.stderr.splitlines()[-1]


def test_uv_that_is_asked_for_and_missing_is_an_error(checkout):
    answer = checkout.call("setup", PATH=str(checkout.root / "scripts"))
    assert answer.returncode == 2
    assert answer.stderr == "error: RNNLAB_UV=1 asks for uv, and there is no uv on PATH\n"


def test_an_interpreter_that_is_there_is_used_and_nothing_is_made(checkout):
    answer = checkout.call("test", "--version", RNNLAB_PYTHON=sys.executable)
    assert answer.returncode == 0, answer.stderr
    assert not checkout.venv.exists()
    assert checkout.asked() == []


def test_an_interpreter_without_packages_is_told_what_it_lacks(checkout, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    answer = checkout.call("run", RNNLAB_PYTHON=str(tmp_path / "bare" / "bin" / "python"))
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert "torch>=" in line
    assert "hydra-core>=" in line
    assert "pytest>=" not in line  # a run needs no test tools


def test_a_version_outside_the_range_is_named(checkout, tmp_path):
    old = tmp_path / "old" / "torch-1.13.1.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 1.13.1\n")
    paths = {"RNNLAB_PYTHON": sys.executable, "PYTHONPATH": str(old.parent)}
    answer = checkout.call("run", **paths)
    assert answer.returncode == 2
    assert re.search(r"lacks what rnnlab needs: torch>=\S+ \(has 1\.13\.1\)\n", answer.stderr)


def test_an_interpreter_that_is_not_there_is_an_error(checkout):
    answer = checkout.call("run", RNNLAB_PYTHON="/nowhere/python")
    assert answer.returncode == 2
    assert (
        answer.stderr == "error: RNNLAB_PYTHON must name a Python interpreter, got"
        " '/nowhere/python'\n"
    )


def test_an_old_python_gets_one_clear_line(make, monkeypatch, capsys):
    monkeypatch.setattr(make.sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit) as stopped:
        make.check_version()
    assert stopped.value.code == 2
    assert "needs Python 3.11 or newer, got 3.9" in capsys.readouterr().err


def test_an_old_python_can_read_the_script_that_says_so():
    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))


def test_the_oldest_python_is_the_one_of_pyproject(make):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, make.OLDEST))


def test_missing_ensurepip_names_the_debian_package(make, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(make, "find_spec", lambda _: None)
    with pytest.raises(SystemExit):
        make.create(tmp_path / "venv", None)
    has = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    assert f"apt-get install {has}" in capsys.readouterr().err
    assert not (tmp_path / "venv").exists()


def test_an_unknown_command_names_the_known_ones(checkout):
    answer = checkout.call("trian")
    assert answer.returncode == 2
    assert "no command 'trian'; there are: setup, run, test" in answer.stderr


def test_every_command_is_a_target_of_the_makefile(make):
    rule = re.search(r"^(.*):\n\t", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(rule[1].split()) == {"help", *make.COMMANDS}


def test_every_command_needs_only_what_its_extra_installs(make):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for command in make.COMMANDS.values():
        lines = project["optional-dependencies"][command.extra]
        assert {Requirement(line).name for line in lines} >= {*command.needs}


@pytest.mark.skipif(sys.platform != "linux", reason="only there is the torch of PyPI for CUDA")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, True),
        ({"UV_TORCH_BACKEND": "cpu"}, False),
        ({"PIP_EXTRA_INDEX_URL": "https://download.pytorch.org/whl/cpu"}, False),
    ],
)
def test_the_size_of_torch_is_said_before_it_is_fetched(checkout, settings, said):
    answer = checkout.call("setup", **settings)
    assert ("2.7 GB to fetch" in answer.stderr) == said
    assert ("UV_TORCH_BACKEND=cpu make setup" in answer.stderr) == said
