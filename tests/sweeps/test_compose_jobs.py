"""The composer makes the configs that Hydra makes one by one."""

from collections.abc import Iterator

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from rnnlab.config.sources import hydra_initialized
from rnnlab.sweeps.compose_jobs import Composer


@pytest.fixture
def hydra() -> Iterator[tuple[ConfigLoader, DictConfig]]:
    with hydra_initialized() as loader:
        yield loader, loader.load_configuration("train", ["task=copy"], run_mode=RunMode.MULTIRUN)


JOBS = [
    ["task=copy", "seed=1"],
    ["task=copy", "seed=2", "optimizer.lr=0.5"],
    ["task=copy", "seed=3", "task.delay=4", "model=gru"],
    ["model=gru", "task=copy", "seed=4", "+optimizer.amsgrad=true"],
    ["model=gru", "task=copy", "seed=5", "~choices"],
    ["experiment=copy_lstm", "seed=6", "model.cell.hidden_size=3"],
    ["task=copy", "data.curriculum=null", "output_dir=elsewhere", "optimizer.betas=[0.1,0.2]"],
    ["task=copy", "seed=7", "hydra.job.chdir=false"],
    ["task=copy", "seed=${threads}", "sweep_name=x"],
]


def test_jobs_are_composed_as_hydra_does(hydra: tuple[ConfigLoader, DictConfig]) -> None:
    loader, master = hydra
    compose = Composer(loader, master)
    for words in JOBS:
        found = compose(words)
        wanted = loader.load_sweep_config(master, words)
        assert found.overrides == OmegaConf.to_container(wanted.hydra.overrides.task)
        assert found.choices == dict(wanted.hydra.runtime.choices)
        with open_dict(wanted):
            del wanted["hydra"]
        assert found.cfg == wanted


@pytest.mark.parametrize("word", ["model=nothing", "task.delai=3", "+seed=3", "~nothing"])
def test_overrides_that_hydra_refuses_are_refused(
    hydra: tuple[ConfigLoader, DictConfig], word: str
) -> None:
    loader, master = hydra
    with pytest.raises(HydraException):
        loader.load_sweep_config(master, ["task=copy", word])
    with pytest.raises(HydraException):
        Composer(loader, master)(["task=copy", word])


def test_the_grid_sweeper_is_the_default(
    hydra: tuple[ConfigLoader, DictConfig],
) -> None:
    _, master = hydra
    assert master.hydra.sweeper._target_.endswith("GridSweeper")


def test_one_job_leaves_no_trace_in_the_next(hydra: tuple[ConfigLoader, DictConfig]) -> None:
    compose = Composer(*hydra)
    compose(["task=copy", "seed=9"])
    assert compose(["task=copy"]).cfg.seed == 0
