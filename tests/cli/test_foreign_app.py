"""Other Hydra applications of the environment are with rnnlab beside them as they are without."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from rnnlab.config.hydra_options import OPTIONS
from rnnlab.config.sources import isolated_hydra
from tests.small_runs import tiny

pytestmark = pytest.mark.thorough

APP = """
import hydra, sys
@hydra.main(**({} if hydra.__version__ >= "1.4" else {"version_base": None}), config_path=None)
def app(cfg):
    print("job", cfg.x, "hydra_plugins.rnnlab_basic.launcher" in sys.modules)
app()
"""

# What official plugins do, such as hydra-joblib-launcher and hydra-optuna-sweeper.
OFFICIAL = """
from dataclasses import dataclass, field
from typing import Any
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

class OfficialLauncher(BasicLauncher):
    def launch(self, *given, **named):
        print("official launcher")
        return super().launch(*given, **named)

class OfficialSweeper(BasicSweeper):
    def __init__(self, sampler):
        super().__init__(max_batch_size=None)
        print("official sweeper", sampler.kind)

@dataclass
class Launch:
    _target_: str = "hydra_plugins.official.plugin.OfficialLauncher"

@dataclass
class Tpe:
    kind: str = "tpe"

@dataclass
class Sweep:
    _target_: str = "hydra_plugins.official.plugin.OfficialSweeper"
    defaults: Any = field(default_factory=lambda: [{"sampler": "tpe"}])
    sampler: Any = MISSING

store = ConfigStore.instance().store
for name in ("joblib", "submitit_local", "submitit_slurm", "ray"):
    store(group="hydra/launcher", name=name, node=Launch)
store(group="hydra/sweeper", name="optuna", node=Sweep)
store(group="hydra/sweeper/sampler", name="tpe", node=Tpe)
"""

# Prints the class of each of our options, and then a job of each sweep that its words begin.
OURS = """
import json, sys
from hydra import compose
from rnnlab.cli.train import main
from rnnlab.config.hydra_options import OPTIONS
from rnnlab.config.sources import hydra_initialized
targets = {}
with hydra_initialized():
    for group, options in OPTIONS.items():
        for name in options:
            made = compose("train", [f"hydra/{group}={name}"], return_hydra_config=True)
            targets[f"{group}={name}"] = made.hydra[group]._target_
print(json.dumps(targets))
for words in json.loads(sys.argv.pop()):
    sys.argv[1:] = words
    main()
"""


@pytest.fixture(params=["alone", "official"])
def official(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """A directory with plugins that take the names of Hydra's official ones, or none."""
    if request.param == "alone":
        return None
    package = tmp_path / "site/hydra_plugins/official"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(OFFICIAL)
    return tmp_path / "site"


def python(code: str, *words: str, at: Path, site: Path | None) -> tuple[int, str, str]:
    """Run a program with our sources and those plugins on its path."""
    places = [str(Path(__file__).parents[2] / "src"), *([str(site)] if site else [])]
    at.mkdir(exist_ok=True)
    (at / "app.py").write_text(code)
    made = subprocess.run(
        [sys.executable, "app.py", *words],
        cwd=at,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
    )
    return made.returncode, made.stdout, made.stderr


def test_a_foreign_app_sweeps_with_what_is_hydras_own(tmp_path, official):
    status, out, err = python(APP, "-m", "+x=1,2", at=tmp_path / "app", site=official)
    assert (status, err) == (0, ""), err
    assert [line for line in out.splitlines() if line.startswith("job")] == [
        "job 1 True",
        "job 2 True",
    ]


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
@pytest.mark.parametrize("official", ["official"], indirect=True)
def test_a_foreign_app_has_the_official_plugins(tmp_path, official, launcher):
    words = ["-m", "+x=1,2", f"hydra/launcher={launcher}", "hydra/sweeper=optuna"]
    status, out, err = python(APP, *words, at=tmp_path / "app", site=official)
    assert (status, err) == (0, ""), err
    assert "official sweeper tpe\nofficial launcher\n" in out
    assert "job 2 True" in out


@pytest.mark.parametrize("name", ["vectorized", "joblib"])
@pytest.mark.parametrize("official", ["alone"], indirect=True)
def test_a_foreign_app_has_none_of_our_options(tmp_path, official, name):
    words = ["-m", "+x=1,2", f"hydra/launcher={name}"]
    status, out, err = python(APP, *words, at=tmp_path / "app", site=official)
    assert status == 1
    assert "job" not in out
    assert f"Could not find 'hydra/launcher/{name}'" in err
    assert "basic" in err


def test_our_own_commands_have_our_options_whoever_else_takes_their_names(tmp_path, official):
    shared = ["-m", *tiny(tmp_path / "out"), "seed=0,1", "dry_run=true", "sweep_name=s"]
    sweeps = [[*shared, f"hydra/launcher={name}"] for name in ("basic", "vectorized", "joblib")]
    sweeps += [shared, [*shared, "hydra/sweeper=optuna"]]
    status, out, err = python(OURS, json.dumps(sweeps), at=tmp_path / "app", site=official)
    assert (status, err) == (0, ""), err
    targets, *said = out.splitlines()
    assert json.loads(targets) == {
        f"{group}={name}": settings._target_
        for group, options in OPTIONS.items()
        for name, settings in options.items()
    }
    assert "official" not in out
    assert sum(line.startswith("train") for line in said) == 8, out
    assert "search minimize val/loss" in out


def test_hydras_store_is_given_back_as_it_was():
    Plugins.instance()
    store = ConfigStore.instance()
    before = copy.deepcopy(store.list("hydra/launcher")), copy.deepcopy(store.list("hydra/sweeper"))
    basic = store.load("hydra/launcher/basic.yaml").node

    def inside() -> None:
        with isolated_hydra():
            store.store(group="hydra/launcher", name="somebodys", node={"a": 1})
            with isolated_hydra():
                pass
            assert "vectorized.yaml" in store.list("hydra/launcher")
            raise KeyError

    try:
        with pytest.raises(KeyError):
            inside()
        assert "somebodys.yaml" in store.list("hydra/launcher")
    finally:
        store.repo["hydra"]["launcher"].pop("somebodys.yaml")
    assert before == (store.list("hydra/launcher"), store.list("hydra/sweeper"))
    assert not any(
        f"{name}.yaml" in names
        for names, options in zip(before, OPTIONS.values(), strict=True)
        for name in options
        if name != "basic"
    )
    assert store.load("hydra/launcher/basic.yaml").node == basic
    assert basic._target_.startswith("hydra.")
