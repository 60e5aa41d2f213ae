"""The wheel, the editable install and the pinned set."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
import trove_classifiers
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import rnnlab
from rnnlab.runs import environment

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
]
PIN_LINES = [
    line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] != "#"
]


def build(kind: str, folder: Path) -> Path:
    code = f"import hatchling.build as b; print(b.build_{kind}({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files_below(folder: Path, pattern: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob(pattern)}


def test_the_wheel_holds_all_code_and_all_configs(unpacked):
    for pattern in ("*.py", "*.cpp", "*.h"):
        assert files_below(unpacked, pattern) == files_below(ROOT / "src", pattern) != set()
    configs = files_below(ROOT / "configs", "*.yaml")
    assert configs
    assert files_below(unpacked / "rnnlab" / "configs", "*.yaml") == configs


def test_the_wheel_holds_nothing_else_at_its_top(unpacked):
    top = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}


def test_the_wheels_version_is_the_packages(wheel):
    line = re.search(r'__version__ = "(.*)"', (ROOT / "src/rnnlab/__init__.py").read_text())
    assert wheel.name == f"rnnlab-{line[1]}-py3-none-any.whl"


def test_the_wheel_has_the_licence(unpacked):
    (licence,) = unpacked.glob("*.dist-info/licenses/LICENSE")
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert licence.read_text().startswith(f"{PROJECT['license']} License")


def test_classifiers_are_those_that_an_index_knows():
    assert set(PROJECT["classifiers"]) <= trove_classifiers.classifiers
    oldest = re.search(r"3\.\d+", PROJECT["requires-python"])[0]
    assert f"Programming Language :: Python :: {oldest}" in PROJECT["classifiers"]


def test_citation_and_changelog_are_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == rnnlab.__version__
    assert citation["license"] == PROJECT["license"]
    assert f"\n## {rnnlab.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_an_installed_wheel_finds_its_configs_outside_the_checkout(unpacked, tmp_path):
    code = (
        "import sys, rnnlab; from rnnlab.cli.list import main;"
        "print(rnnlab.__file__); sys.argv = ['rnnlab-list']; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(unpacked))
    for task in (ROOT / "configs" / "task").glob("*.yaml"):
        assert task.stem in done.stdout


def test_the_version_is_known_where_only_the_path_leads_to_the_package(monkeypatch):
    def asked(name: str) -> str:
        assert name != "rnnlab", "not installed"
        return "1"

    monkeypatch.setattr(environment, "version", asked)
    environment._versions.cache_clear()
    assert environment.environment()["versions"]["rnnlab"] == rnnlab.__version__
    environment._versions.cache_clear()


def test_an_editable_install_copies_neither_code_nor_configs():
    try:
        installed = distribution("rnnlab").files or []
    except PackageNotFoundError:
        pytest.skip("rnnlab runs from the checkout here and is not installed")
    if any(str(file) == "rnnlab/__init__.py" for file in installed):
        pytest.skip("rnnlab is installed here as a copy")
    assert not [file for file in installed if str(file).startswith("rnnlab/")]


def test_every_command_has_its_launcher():
    for command, target in PROJECT["scripts"].items():
        module = target.removesuffix(":main")
        launcher = ROOT / "scripts" / f"{command.removeprefix('rnnlab-')}.py"
        assert f"from {module} import main" in launcher.read_text()


def test_launchers_run_from_anywhere_without_installation(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "list.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "copy" in done.stdout


@pytest.mark.parametrize("line", PIN_LINES)
def test_a_pin_is_a_name_and_an_exact_public_version(line):
    # No paths, no hosts, and no local tags such as +cpu, which one index alone would serve.
    assert re.fullmatch(r"[a-z0-9-]+==[0-9]+(\.[0-9]+)*((a|b|rc|\.post)[0-9]+)?", line)


def pins() -> dict[str, str]:
    return dict(line.split("==") for line in PIN_LINES)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_every_requirement_is_pinned_within_its_range(requirement):
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_whatever_the_requirements_pull_in_is_pinned_too():
    pinned = pins()
    for name in (canonicalize_name(requirement.name) for requirement in REQUIREMENTS):
        try:
            found = version(name).partition("+")[0]
        except PackageNotFoundError:
            found = "nothing"
        if found != pinned[name]:
            pytest.skip(f"not the pinned set: {name} {pinned[name]} is pinned, {found} is here")
    reached, waiting = set(), list(REQUIREMENTS)
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), wanted.extras or {""}
        # What torch needs differs between its CPU and CUDA builds; torch itself pins those.
        if (name, *extras) in reached or name.startswith(("nvidia-", "cuda-", "triton")):
            continue
        reached.add((name, *extras))
        for need in map(Requirement, distribution(name).requires or []):
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(need)
    assert {name for name, *_ in reached} == set(pinned)


def test_the_cpu_build_of_torch_is_the_pinned_one_and_goes_before_that_for_cuda():
    # So PyTorch's index, given to pip beside PyPI, is enough: see README.md.
    (pinned,) = re.findall(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert Requirement(f"torch=={pinned}").specifier.contains(f"{pinned}+cpu")
    assert Version(f"{pinned}+cpu") > Version(pinned)
