"""The sdist and the wheel, built and checked as an index would: `python scripts/package.py`.

They lie in dist/ afterwards, in place of earlier ones. `build` and `twine` are taken from this
Python, or else installed into a temporary environment. Ends with status 1 when something is wrong:
a build that fails, a page that an index would not show, or contents other than those of git.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
TOOLS = ("build", "twine")
NOT_SENT = (".ci/", ".pre-commit-config.yaml")  # of the checkout alone


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="rnnlab-package-") as place:
        python = tools(Path(place))
        shutil.rmtree(DIST, ignore_errors=True)
        run([python, "-m", "build", "--outdir", str(DIST), str(ROOT)])
        built = sorted(DIST.iterdir())
        run([python, "-m", "twine", "check", "--strict", *map(str, built)])
    wrong = [
        *sdist_problems(next(DIST.glob("*.tar.gz"))),
        *wheel_problems(next(DIST.glob("*.whl"))),
    ]
    for path in built:
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")
    for line in wrong:
        print(f"package: {line}", file=sys.stderr)
    return bool(wrong)


def tools(place: Path) -> str:
    """Return a Python that has the tools."""
    if all(map(find_spec, TOOLS)):
        return sys.executable
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS])
    return python


def run(command: list[str]) -> None:
    if subprocess.run(command).returncode:
        sys.exit(1)


def tracked() -> set[str]:
    """Return the files that git knows."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {line for line in listed.stdout.splitlines() if (ROOT / line).exists()}


def sdist_problems(path: Path) -> list[str]:
    """Compare an sdist with what git knows."""
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()} - {"PKG-INFO"}
    wanted = {name for name in tracked() if not name.startswith(NOT_SENT)}
    return differences(path.name, held, wanted)


def wheel_problems(path: Path) -> list[str]:
    """Compare a wheel with the code and the configs."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    held = {name for name in names if ".dist-info/" not in name}
    code = {name.removeprefix("src/") for name in tracked() if name.startswith("src/")}
    configs = {f"rnnlab/{name}" for name in tracked() if name.startswith("configs/")}
    lines = differences(path.name, held, code | configs)
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        lines.append(f"{path.name} has no licence")
    return lines


def differences(name: str, held: set[str], wanted: set[str]) -> list[str]:
    """Say what is missing and what is too much."""
    lines = [f"{name} lacks {path}" for path in sorted(wanted - held)]
    return lines + [
        f"{name} holds {path}, which git does not know" for path in sorted(held - wanted)
    ]


if __name__ == "__main__":
    sys.exit(main())
