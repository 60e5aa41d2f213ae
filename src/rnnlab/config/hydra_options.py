"""The options of `hydra/launcher` and `hydra/sweeper`, registered for rnnlab's commands alone.

Hydra imports all plugins of an environment in each of its applications, and what a plugin puts into
Hydra's config store is on every command line. So our plugins don't put their options there.
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
    """Settings of `hydra/launcher=basic`: none."""

    _target_: str = "hydra_plugins.rnnlab_basic.launcher.BasicLauncher"


@dataclass
class Vectorized:
    """Settings of `hydra/launcher=vectorized`."""

    _target_: str = "hydra_plugins.rnnlab_vectorized.launcher.VectorizedLauncher"
    members: Any = "auto"


@dataclass
class Joblib:
    """Settings of `hydra/launcher=joblib`."""

    _target_: str = "hydra_plugins.rnnlab_parallel.joblib.JoblibLauncher"
    n_jobs: Any = "auto"


@dataclass
class Local:
    """Settings of `hydra/launcher=submitit_local`."""

    _target_: str = "hydra_plugins.rnnlab_parallel.submitit.LocalLauncher"
    timeout_min: int = 1440
    max_num_timeout: int = 3
    signal_delay_s: int = 90
    array_parallelism: Any = "auto"


@dataclass
class Slurm:
    """Settings of `hydra/launcher=submitit_slurm`."""

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
    """Settings of `hydra/launcher=ray`."""

    _target_: str = "hydra_plugins.rnnlab_parallel.ray.RayLauncher"
    address: str | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None


@dataclass
class Grid:
    """Settings of `hydra/sweeper=basic`, those of Hydra's own sweeper."""

    _target_: str = "hydra_plugins.rnnlab_basic.sweeper.GridSweeper"
    max_batch_size: int | None = None
    params: dict[str, Any] | None = None


@dataclass
class Optuna:
    """Settings of `hydra/sweeper=optuna`."""

    _target_: str = "hydra_plugins.rnnlab_optuna.sweeper.OptunaSweeper"
    sampler: Any = "tpe"  # tpe | random | cmaes | grid
    pruner: Any = "none"  # none | median | asha
    n_trials: Any = None  # in all, with those of earlier commands; null: the whole grid, else 20
    n_jobs: Any = 1  # trials that are sampled at once, and launched as one batch
    trials_per_shape: Any = 1  # trials in a row, in a batch, that can train as one model
    seed: Any = 0
    objective: Any = None  # a metric or a list of some; null: the config's `monitor`
    storage: Any = None  # such as sqlite:///search.db; null: a journal in the sweep's directory
    params: Any = None  # overrides of a named sweep, key -> value; those typed take precedence


# `basic` is Hydra's default option: a choice in train.yaml would override those of configs/sweep.
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
    """Return the options as nodes of Hydra's config store, whose making takes time."""
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
def options_registered() -> Iterator[None]:
    """Register our launchers and sweepers, instead of other plugins' options of the same names."""
    Plugins.instance()  # imports all plugins, so that they register their options first
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
