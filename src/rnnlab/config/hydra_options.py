"""What `hydra/launcher` and `hydra/sweeper` offer, in rnnlab's applications and in no other one.

Hydra keeps such options for all applications of an environment in one store: what a plugin puts
there when it is imported, everybody's command line has. So our plugins put nothing there.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hydra.core.config_store import ConfigNode, ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf


@dataclass
class Basic:
    """What `hydra/launcher=basic` takes: nothing."""

    _target_: str = "hydra_plugins.rnnlab_basic.launcher.BasicLauncher"


@dataclass
class Vectorized:
    """What `hydra/launcher=vectorized` takes."""

    _target_: str = "hydra_plugins.rnnlab_vectorized.launcher.VectorizedLauncher"
    members: Any = "auto"


@dataclass
class Joblib:
    """What `hydra/launcher=joblib` takes."""

    _target_: str = "hydra_plugins.rnnlab_parallel.joblib.JoblibLauncher"
    n_jobs: Any = "auto"


@dataclass
class Local:
    """What `hydra/launcher=submitit_local` takes."""

    _target_: str = "hydra_plugins.rnnlab_parallel.submitit.LocalLauncher"
    timeout_min: int = 1440
    max_num_timeout: int = 3
    signal_delay_s: int = 90
    array_parallelism: Any = "auto"


@dataclass
class Slurm:
    """What `hydra/launcher=submitit_slurm` takes."""

    _target_: str = "hydra_plugins.rnnlab_parallel.submitit.SlurmLauncher"
    timeout_min: int = 240
    max_num_timeout: int = 3
    signal_delay_s: int = 90
    array_parallelism: int = 256
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    mem_gb: float | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    setup: list[str] | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class Ray:
    """What `hydra/launcher=ray` takes."""

    _target_: str = "hydra_plugins.rnnlab_parallel.ray.RayLauncher"
    address: str | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None


@dataclass
class Grid:
    """What `hydra/sweeper=basic` takes, as Hydra's own does."""

    _target_: str = "hydra_plugins.rnnlab_basic.sweeper.GridSweeper"
    max_batch_size: int | None = None
    params: dict[str, Any] | None = None


@dataclass
class Optuna:
    """What `hydra/sweeper=optuna` takes."""

    _target_: str = "hydra_plugins.rnnlab_optuna.sweeper.OptunaSweeper"
    sampler: Any = "tpe"  # tpe | random | cmaes | grid
    pruner: Any = "none"  # none | median | asha
    n_trials: Any = None  # in all, those of earlier starts too; null: the whole grid, else 20
    n_jobs: Any = 1  # trials that are chosen at once, and launched as one batch
    seed: Any = 0
    objective: Any = None  # a metric or a list of some; null: the config's `monitor`
    storage: Any = None  # such as sqlite:///search.db; null: a journal in the sweep's directory
    params: Any = None  # words of a named sweep, key -> value; those typed count more


# `basic` is what Hydra takes where nothing is chosen: a choice in train.yaml would outdo that of a
# file in configs/sweep.
OPTIONS: Mapping[str, Mapping[str, type]] = {
    "launcher": {
        "basic": Basic,
        "vectorized": Vectorized,
        "joblib": Joblib,
        "submitit_local": Local,
        "submitit_slurm": Slurm,
        "ray": Ray,
    },
    "sweeper": {"basic": Grid, "optuna": Optuna},
}
"""Group of `hydra/` -> name of an option -> its settings."""


@cache
def _nodes() -> Mapping[str, Mapping[str, ConfigNode]]:
    """Give the options as Hydra stores them, which takes time to make."""
    return {
        group: {
            f"{name}.yaml": ConfigNode(
                name=f"{name}.yaml",
                node=OmegaConf.structured(settings),
                group=f"hydra/{group}",
                package=None,
                provider="rnnlab",
            )
            for name, settings in options.items()
        }
        for group, options in OPTIONS.items()
    }


@contextmanager
def offered() -> Iterator[None]:
    """Offer our launchers and sweepers, in the place of other plugins' options of their names."""
    Plugins.instance()  # imports all plugins, if nobody did: they store their options first
    groups = {group: ConfigStore.instance().repo["hydra"][group] for group in OPTIONS}
    theirs = {group: dict(options) for group, options in groups.items()}
    try:
        for group, nodes in _nodes().items():
            groups[group].update(nodes)
        yield
    finally:
        for group, nodes in _nodes().items():
            for name in nodes:
                del groups[group][name]
            groups[group].update({k: v for k, v in theirs[group].items() if k in nodes})
