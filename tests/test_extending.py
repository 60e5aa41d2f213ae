"""The recipes of docs/extending.md, as they are printed, in a package outside this repository."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from rnnlab.config import packages

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w./]+\.\w+)`[^\n]*:\n\n```\w+\n(.*?)^```", PAGE, re.M | re.S))
CAN_DRAW = find_spec("matplotlib") is not None
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    for line in block.splitlines()
]
TRAINING, ANALYSES = (
    [line for line in COMMANDS if line.startswith(f"rnnlab-{name} ")]
    for name in ("train", "analyze")
)
SHORT = "debug=smoke data.val_size=4 data.test_size=4 output_dir=runs"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "mypkg" / "__init__.py").touch()
    return tmp_path


def run(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


def ours(name: str) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / f"{name}.py")]


def test_the_page_has_recipes():
    assert len(FILES) == 15
    assert len(TRAINING) == 9
    assert len(ANALYSES) == 2


@pytest.mark.parametrize("command", TRAINING)
def test_a_command_of_the_page_trains(command: str, place: Path):
    words = command.replace('"seed=range(5)"', "seed=0").split()[1:]
    done = run(place, *ours("train"), *words, *SHORT.split())
    assert done.returncode == 0, done.stderr
    assert (place / done.stdout.splitlines()[-1]).is_dir()


def test_the_contracts_hold(place: Path):
    done = run(place, sys.executable, "-m", "pytest", "-q", "mypkg/test_mypkg.py")
    assert "5 passed" in done.stdout, done.stdout


def test_a_stranger_has_to_name_the_package(place: Path):
    words = f"packages=[mypkg] model=leaky task=majority {SHORT}".split()
    made = run(place, *ours("train"), *words).stdout.splitlines()[-1]
    for name in ("evaluate", "sample"):
        refused = run(place, *ours(name), f"run={made}")
        assert refused.returncode == 2
        assert "packages=[mypkg]" in refused.stderr
        assert "Traceback" not in refused.stderr
        done = run(place, *ours(name), f"run={made}", "packages=[mypkg]")
        assert done.returncode == 0, done.stderr
    resumed = run(place, *ours("train"), f"resume={made}", "trainer.max_steps=6")
    assert resumed.returncode == 2
    assert "packages=[mypkg]" in resumed.stderr
    words = [f"resume={made}", "packages=[mypkg]", "trainer.max_steps=6"]
    assert run(place, *ours("train"), *words).returncode == 0


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("packages=[nothere]", "packages names nothere, which can't be imported"),
        ("packages=[os.path]", "packages must be names of packages, got 'os.path'"),
        ("packages=mypkg", "packages must be a list, got 'mypkg'"),
    ],
)
def test_a_wrong_package_is_named(word: str, said: str, place: Path):
    done = run(place, *ours("train"), word, "task=copy", "debug=smoke")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (place / "outputs").exists()


@pytest.mark.skipif(find_spec("joblib") is None, reason="joblib is not installed")
def test_workers_know_the_packages_of_the_command(place: Path):
    words = f"-m packages=[mypkg] model=leaky task=copy seed=1,2 hydra/launcher=joblib {SHORT}"
    done = run(place, *ours("train"), *words.split())
    assert done.returncode == 0, done.stderr
    assert "2 jobs: 2 finished" in done.stdout


def test_a_config_under_a_name_of_rnnlabs_is_refused(place: Path):
    (place / "mypkg/configs/model/lstm.yaml").write_text("# Mine.\n_target_: mypkg.cells.Leaky\n")
    done = run(place, *ours("train"), "packages=[mypkg]", "task=copy", "debug=smoke")
    assert done.returncode == 2
    assert "has the name of a config of rnnlab's" in done.stderr


def test_a_wrong_setting_of_theirs_is_answered_with_the_right_one(place: Path):
    words = "packages=[mypkg] model=leaky task=majority model.cell.leek=1 task.length=0"
    done = run(place, *ours("train"), *words.split())
    assert "model.cell.leek is not a setting: did you mean model.cell.leak?" in done.stderr
    done = run(place, *ours("train"), *words.replace("leek=1", "leak=2").split())
    assert "model.cell.leak must be" in done.stderr
    assert "task.length must be 1 or more, got 0" in done.stderr


def test_an_entry_point_names_a_package_once_and_for_all(monkeypatch: pytest.MonkeyPatch):
    class Point(NamedTuple):
        module: str

    declared = [Point("json.decoder"), Point("a_package_that_is_gone.part")]
    monkeypatch.setattr(packages, "entry_points", lambda group: declared * (group != ""))
    packages._installed.cache_clear()
    try:
        assert packages.allowed_packages() == ("json",)
    finally:
        packages._installed.cache_clear()


def test_a_run_of_a_file_task_outlives_its_file(place: Path):
    words = f"packages=[mypkg] model=gru task=languages task.path=words.txt {SHORT}".split()
    made = run(place, *ours("train"), *words).stdout.splitlines()[-1]
    assert run(place, *ours("evaluate"), f"run={made}", "packages=[mypkg]").returncode == 0
    (place / "words.txt").unlink()
    gone = run(place, *ours("evaluate"), f"run={made}", "packages=[mypkg]")
    assert (gone.returncode, "Traceback" in gone.stderr) == (2, False)
    assert "task.path" in gone.stderr
    known = (
        "import rnnlab, sys; print(len(rnnlab.load(sys.argv[1], packages=['mypkg']).task.symbols))"
    )
    loaded = run(place, sys.executable, "-c", known, made)
    assert int(loaded.stdout) > 20, loaded.stderr


def test_a_sweep_finds_a_group_that_only_the_package_has(place: Path):
    words = "-m packages=[mypkg] callbacks=norms model=elman task=copy seed=1,2 dry_run=true"
    done = run(place, *ours("train"), *words.split())
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if line.startswith("train ")]) == 2


@pytest.mark.skipif(not CAN_DRAW, reason="matplotlib is not installed")
@pytest.mark.parametrize("command", ANALYSES)
def test_an_analysis_of_the_page_looks(command: str, place: Path):
    words = f"packages=[mypkg] model=leaky task=majority {SHORT}".split()
    made = run(place, *ours("train"), *words).stdout.splitlines()[-1]
    done = run(place, *ours("analyze"), *command.replace("DIR", made).split()[1:])
    assert done.returncode == 0, done.stderr
    assert "of 64 units are dead" in done.stdout
    assert (place / made / "figures" / "activity.png").is_file()


def test_an_analysis_of_a_package_is_known_by_its_name(place: Path):
    known = run(place, *ours("list"), "packages=[mypkg]", "analyses")
    assert "activity" in known.stdout
    words = f"model=elman task=copy {SHORT}".split()
    made = run(place, *ours("train"), *words).stdout.splitlines()[-1]
    wrong = run(place, *ours("analyze"), f"run={made}", "packages=[mypkg]", "analysis=activty")
    assert (wrong.returncode, "did you mean activity?" in wrong.stderr) == (2, True)
    strange = run(place, *ours("analyze"), f"run={made}", "analysis=activity")
    assert (strange.returncode, "doesn't exist" in strange.stderr) == (2, True)
