"""What `make` does, also without make: `python3 scripts/make.py test`.

Every command first sees to the environment, then runs. Standard library only, and the parts that
speak before the version check are written for old Pythons too.

    RNNLAB_PYTHON=/path/python   use that interpreter's packages as they are and install nothing
    RNNLAB_UV=1                  make and fill the environment with uv instead of venv and pip
    RNNLAB_VENV=/path            where the environment lies instead of .venv
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)
STAMP = "rnnlab-setup"  # inside the environment: marks it as ours, and says what it was made from


CUDA, CPU = "2.7 GB", "0.2 GB"  # torch 2.13 and what it brings
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Command(NamedTuple):
    """What a command does after the set-up."""

    help: str
    steps: list[list[str]]  # arguments of the environment's Python, one list a process
    needs: tuple[str, ...] = ()  # packages of its extra that it imports, besides the core ones
    default: tuple[str, ...] = ()  # arguments when none are given
    extra: str = "dev"  # of pyproject.toml; others than this are installed when first asked for


TEST_NEEDS = ("pytest", "pytest-xdist", "hatchling")  # a test builds the wheel
# On all cores, up to 8; a worker takes over what another has left, so that none waits.
PARALLEL = ("--numprocesses=auto", "--maxprocesses=8", "--dist=worksteal")
SPHINX = ("--fail-on-warning", "--keep-going", "-b")
COMMANDS = {
    "setup": Command("make .venv, or bring it up to date", []),
    "run": Command(
        "train a writer of Shakespeare; ARGS='model=gru task=copy' trains that instead",
        [["scripts/train.py"]],
        default=("experiment=next_char_lstm", "trainer.max_steps=3000"),
    ),
    "test": Command(
        "the quick tests; ARGS='-k copy' picks some", [["-m", "pytest"]], TEST_NEEDS, PARALLEL
    ),
    "test-all": Command(
        "those and the thorough ones", [["-m", "pytest", "-m", "not slow"]], TEST_NEEDS, PARALLEL
    ),
    "slow": Command("the learning tests", [["-m", "pytest", "-m", "slow"]], TEST_NEEDS),
    "check": Command(
        "format, lint and types, as CI and pre-commit check them",
        [["-m", "ruff", "format", "--check"], ["-m", "ruff", "check"], ["-m", "mypy"]],
        ("ruff", "mypy"),
    ),
    "package": Command(
        "sdist and wheel in dist/, built and checked as an index would", [["scripts/package.py"]]
    ),
    "docs": Command(
        "the site of the documentation, in docs/_build",
        [["-m", "sphinx", *SPHINX, "html", "docs", "docs/_build"]],
        ("sphinx", "furo", "myst-parser", "sphinx-copybutton", "latex2mathml"),
        extra="docs",
    ),
    "fix": Command(
        "format the code and mend what ruff can",
        [["-m", "ruff", "format"], ["-m", "ruff", "check", "--fix"]],
        ("ruff",),
    ),
}


def main(arguments: list[str]) -> int:
    name, extra = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if name in ("help", "-h", "--help"):
        print(usage())
        return 0
    if name == "unmet":  # asked of the interpreter that RNNLAB_PYTHON names
        print("\n".join(unmet(extra)))
        return 0
    if name not in COMMANDS:
        fail(f"no command '{name}'; there are: {', '.join(COMMANDS)}")
    command = COMMANDS[name]
    if extra and len(command.steps) != 1:
        fail(f"'{name}' takes no arguments, got: {' '.join(extra)}")
    given = os.environ.get("RNNLAB_PYTHON")
    python = existing(given, command.needs) if given else prepared(venv_path())
    if command.extra != "dev" and not given and lacking(python, command.needs):
        say(f"installing what 'make {name}' needs (once)")
        install(python, uv_path(), command.extra)
    os.chdir(ROOT)
    if len(command.steps) == 1:
        step = [python, *command.steps[0], *(extra or command.default)]
        say("$ " + " ".join(step))
        os.execv(python, step)  # in place of this process: signals reach training directly
    failed = []
    for step in command.steps:
        say("$ " + " ".join([python, *step]))
        if subprocess.call([python, *step]) != 0:
            failed.append(" ".join(step[1:]))
    if failed:
        fail(f"'{name}' failed in: {'; '.join(failed)}", status=1)
    return 0


def usage() -> str:
    lines = [f"  make {name:<8} {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "rnnlab: each command makes .venv first if it has to (once; README: how without CUDA)",
            *lines,
            "  make test PYTHON=/path/python   use an environment that is there; install nothing",
            "  make setup BASE_PYTHON=python3.12 picks the Python of .venv; UV=1 installs with uv",
            "without make: python3 scripts/make.py test (RNNLAB_PYTHON=..., RNNLAB_UV=1)",
        ]
    )


def existing(given: str, needs: tuple[str, ...]) -> str:
    """The interpreter that the caller names, if its packages are what rnnlab needs."""
    found = shutil.which(os.path.expanduser(given))
    if found is None:
        fail(f"RNNLAB_PYTHON must name a Python interpreter, got '{given}'")
    python = os.path.abspath(found)  # a virtual environment's link must stay a link
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))  # the checkout, not installed
    lacks = lacking(python, needs)
    if lacks:
        fail(f"{given} lacks what rnnlab needs: {', '.join(lacks)}")
    return python


def lacking(python: str, needs: tuple[str, ...]) -> list[str]:
    """What an interpreter lacks of the core packages and of those that a command needs."""
    asked = subprocess.run([python, __file__, "unmet", *needs], stdout=subprocess.PIPE, text=True)
    if asked.returncode != 0:
        sys.exit(asked.returncode)
    return [line for line in asked.stdout.splitlines() if line]


def unmet(needs: list[str]) -> list[str]:
    """Requirements of pyproject.toml that this interpreter's packages do not meet."""
    check_version()
    import tomllib
    from importlib.metadata import PackageNotFoundError, version

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {line for lines in project["optional-dependencies"].values() for line in lines}
    wanted = project["dependencies"] + sorted(line for line in extras if package_of(line) in needs)
    lacks = []
    for line in wanted:
        try:
            found = version(package_of(line))
        except PackageNotFoundError:
            lacks.append(line)
            continue
        if not accepts(line, found):
            lacks.append(f"{line} (has {found})")
    return lacks


def package_of(requirement: str) -> str:
    matched = re.match(r"[\w.-]+", requirement)
    assert matched, requirement
    return matched[0]


def accepts(requirement: str, version: str) -> bool:
    try:
        from packaging.requirements import Requirement
    except ImportError:  # lightning needs it: an interpreter without it lacks more than this
        return True
    return Requirement(requirement).specifier.contains(version, prereleases=True)


def venv_path() -> Path:
    return Path(os.path.abspath(os.environ.get("RNNLAB_VENV") or ROOT / ".venv"))


def prepared(venv: Path) -> str:
    """The environment's interpreter, after making or filling the environment where needed."""
    check_version()
    python, stamp = venv / "bin" / "python", venv / STAMP
    place, packages = place_key(venv), packages_key()
    found = stamp.read_text().split() if stamp.exists() else None
    if found == [place, packages] and python.exists():
        return str(python)
    if found is None and venv.exists() and any(venv.iterdir()):
        fail(
            f"{venv} was not made by this script: remove it, or use it as it is"
            f" (make test PYTHON={python})"
        )
    uv = uv_path()
    # Half an installation is never mended: only a finished one is brought up to date in place.
    if found is None or found[:1] != [place] or not python.exists():
        say(f"making {venv}" + (" again" if found is not None else ""))
        create(venv, uv)
    stamp.write_text("")
    say(f"installing into {venv} (once)")
    if sys.platform == "linux" and not asks_for_cpu():
        say(f"  PyPI's torch is for CUDA, {CUDA} to fetch; without a GPU {CPU}: stop this, and")
        say(f"  {'UV_TORCH_BACKEND=cpu' if uv else f'PIP_EXTRA_INDEX_URL={CPU_INDEX}'} make setup")
    install(str(python), uv)
    stamp.write_text(f"{place}\n{packages}\n")
    return str(python)


def asks_for_cpu() -> bool:
    """Whether the environment tells pip or uv to take the CPU build of torch."""
    indexes = [os.environ.get(f"PIP_{name}INDEX_URL", "") for name in ("", "EXTRA_")]
    return any("/cpu" in url for url in indexes) or os.environ.get("UV_TORCH_BACKEND") == "cpu"


def create(venv: Path, uv: str | None) -> None:
    if uv is None and find_spec("ensurepip") is None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        fail(f"this Python has no ensurepip; on Debian: apt-get install {package}")
    if venv.exists():
        shutil.rmtree(venv)
    venv.mkdir(parents=True)
    (venv / STAMP).touch()  # from here on it is ours, however far it gets
    base = getattr(sys, "_base_executable", None) or sys.executable  # not the venv just removed
    if uv is None:
        tell([base, "-m", "venv", str(venv)], f"could not make {venv}")
    else:
        tell([uv, "venv", "--allow-existing", "--python", base, str(venv)], f"no {venv}")


def install(python: str, uv: str | None, extra: str = "dev") -> None:
    """The tested set of constraints.txt, and the checkout itself as an editable package."""
    what = ["-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[{extra}]"]
    if uv is None:
        tool = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    else:
        tool = [uv, "pip", "install", "--python", python]
    tell(
        tool + what,
        "could not install the packages, see above; without a network, use an environment that"
        " has them: make test PYTHON=/path/python",
    )


def tell(command: list[str], failure: str) -> None:
    """Run a tool of the set-up; its words go to stderr, so that stdout is the command's own."""
    if subprocess.call(command, stdout=sys.stderr.fileno()) != 0:
        fail(failure)


def uv_path() -> str | None:
    if os.environ.get("RNNLAB_UV", "0") in ("", "0"):
        return None
    uv = shutil.which("uv")
    if uv is None:
        fail("RNNLAB_UV=1 asks for uv, and there is no uv on PATH")
    return uv


def place_key(venv: Path) -> str:
    """Changes with what only a new environment can follow: Python, or a moved checkout."""
    return digest(
        "\0".join([*map(str, sys.version_info[:2]), sys.base_prefix, str(venv), str(ROOT)])
    )


def packages_key() -> str:
    files = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
    return digest("\0".join(file.read_text(encoding="utf-8") for file in files))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_version() -> None:
    if sys.version_info[:2] >= OLDEST:
        return
    has, takes = (".".join(map(str, v)) for v in (sys.version_info[:2], OLDEST))
    newer = next(filter(shutil.which, (f"python3.{minor}" for minor in range(OLDEST[1], 20))), None)
    given = os.environ.get("RNNLAB_PYTHON")
    advice = f"; {newer} is here: make test BASE_PYTHON={newer}" if newer and not given else ""
    fail(f"rnnlab needs Python {takes} or newer, got {has} ({sys.executable}){advice}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fail(text: str, *, status: int = 2) -> NoReturn:
    say(f"error: {text}")
    sys.exit(status)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
