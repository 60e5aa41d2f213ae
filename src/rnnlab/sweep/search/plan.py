"""What a search is to do, and all that can be wrong with it before anything is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnlab.config.build import check_values
from rnnlab.config.explain import explain
from rnnlab.config.overrides import parse
from rnnlab.errors import ConfigError
from rnnlab.ranges import PositiveInt, Seed
from rnnlab.sweep import jobs
from rnnlab.sweep.compose_jobs import Composed, Composer
from rnnlab.sweep.search.space import Choice, Space

if TYPE_CHECKING:
    from rnnlab.experiment.experiment import Experiment

_SHARED = (*jobs.NOT_OF_A_RUN, "monitor")  # one value of them in a search
_COUNTS = ("parameters", "steps", "best_step")  # beside scores, what one may want small


Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Settings:
    """How to search; the keys of `hydra.sweeper`."""

    sampler: Literal["tpe", "random", "cmaes", "grid"]
    pruner: Literal["none", "median", "asha"]
    n_trials: PositiveInt | None
    n_jobs: PositiveInt
    seed: Seed
    objective: str | list[str] | None
    storage: str | None

    @classmethod
    def checked(cls, settings: Mapping[str, Any]) -> "Settings":
        """Make them of what Hydra gives.

        Raises:
            ConfigError: Optuna is missing, or a setting is not what it should be.
        """
        if find_spec("optuna") is None or find_spec("cmaes") is None:
            raise ConfigError("hydra/sweeper=optuna needs Optuna: pip install 'rnnlab[optuna]'")
        plain: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in settings.items()
        }
        fields = {f"hydra.sweeper.{key}": kind for key, kind in cls.__annotations__.items()}
        check_values({f"hydra.sweeper.{key}": value for key, value in plain.items()}, fields)
        if plain["storage"] is not None and "://" not in plain["storage"]:
            raise ConfigError(
                "hydra.sweeper.storage must be an address such as sqlite:///search.db, got "
                f"{plain['storage']}"
            )
        return cls(**plain)


@dataclass(frozen=True)
class Plan:
    """A search that nothing is wrong with.

    Attributes:
        settings: how to search.
        space: what.
        objectives: metric -> minimize or maximize.
        n_trials: in all.
    """

    settings: Settings
    space: Space
    objectives: Mapping[str, Direction]
    n_trials: int

    @property
    def subject(self) -> dict[str, Any]:
        """Give what all trials of a study must share."""
        return {
            "space": {dimension.key: str(dimension) for dimension in self.space.dimensions},
            "fixed": {
                key: word for key, word in self.space.fixed.items() if key not in jobs.NOT_OF_A_RUN
            },
            "objectives": dict(self.objectives),
        }

    def lines(self) -> list[str]:
        """Lay it out for a dry run."""
        width = max(len(dimension.key) for dimension in self.space.dimensions)
        goals = ", ".join(f"{way} {metric}" for metric, way in self.objectives.items())
        settings = self.settings
        return [
            f"search {goals}",
            *(f"  {d.key:{width}}  {d}" for d in self.space.dimensions),
            f"{self.n_trials} trials in all, {settings.n_jobs} at once, "
            f"sampler {settings.sampler}, pruner {settings.pruner}",
        ]


def read_space(words: Sequence[str], compose: Composer) -> Space:
    """Find what is searched; a setting that is no whole number now takes any between two of them.

    Raises:
        ConfigError: the words make no space.
    """

    @cache
    def config() -> DictConfig:
        return _composed([w for w in words if not parse(w).is_sweep_override()], compose).cfg

    return Space.read(
        words, _SHARED, lambda key: isinstance(OmegaConf.select(config(), key), float)
    )


def make_plan(settings: Settings, space: Space, compose: Composer, sweep: Path) -> Plan:
    """Find all that is wrong with a search before anything is written.

    Raises:
        ConfigError: something is.
    """
    from rnnlab.experiment.experiment import Experiment
    from rnnlab.training.prepare import check_metrics

    experiment = _first_of(
        space, lambda words: Experiment.assemble(job_of(words, compose, sweep).cfg)
    )
    if experiment.training.devices > 1:
        raise ConfigError(
            f"hydra/sweeper=optuna trains a trial on one device, got "
            f"trainer.devices={experiment.training.devices}"
        )
    metrics = check_metrics(experiment)
    objectives = _objectives(settings, experiment, metrics)
    _check_sampler(settings, space, objectives)
    most = None
    if settings.sampler == "grid":
        most = prod(len(dimension.values or ()) for dimension in space.dimensions)
    return Plan(settings, space, objectives, min(settings.n_trials or most or 20, most or 2**53))


def _first_of(space: Space, make: Callable[[list[str]], Any]) -> Any:
    """Make something of one end of the space or the other: a mistake that is in both is in all."""
    refused = []
    for end in range(2):
        try:
            return make(space.words({d.key: d.ends[end] for d in space.dimensions}))
        except ConfigError as error:
            refused.append(error)
    raise refused[0]


def job_of(words: Sequence[str], compose: Composer, sweep: Path) -> jobs.Job:
    """Make a job of its words.

    Raises:
        ConfigError: they don't make one.
    """
    job, _ = jobs.job_of(*_composed(words, compose), sweep)
    return job


def _composed(words: Sequence[str], compose: Composer) -> Composed:
    try:
        return compose(words)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, list(words), grid=True)) from error


def _objectives(
    settings: Settings, experiment: "Experiment", metrics: list[str]
) -> dict[str, Direction]:
    """Give each objective with its direction, which its task declares; a cost is minimized."""
    ways: dict[str, Direction] = {"min": "minimize", "max": "maximize"}
    named = settings.objective
    names = [named] if isinstance(named, str) else named or [experiment.cfg.monitor]
    for name in names:
        if name not in (*metrics, *_COUNTS):
            known = ", ".join((*metrics, *_COUNTS))
            raise ConfigError(f"hydra.sweeper.objective must be of {known}, got {name}")
    if len(set(names)) < len(names):
        raise ConfigError(f"hydra.sweeper.objective must be different ones, got {', '.join(names)}")
    if settings.pruner != "none" and (len(names) > 1 or names[0] not in metrics):
        raise ConfigError(
            f"hydra.sweeper.pruner={settings.pruner} needs one objective of validation, got "
            f"{', '.join(names)}: take pruner=none"
        )
    return {
        name: "minimize" if name in _COUNTS else ways[experiment.task.mode(name)] for name in names
    }


def _check_sampler(settings: Settings, space: Space, objectives: Mapping[str, str]) -> None:
    head = f"hydra.sweeper.sampler={settings.sampler}"
    if settings.sampler == "grid":
        for dimension in space.dimensions:
            if dimension.values is None:
                raise ConfigError(
                    f"{head} takes choices and ranges, got {dimension.key}={dimension}"
                )
    elif settings.sampler == "cmaes":
        words = [d.key for d in space.dimensions if isinstance(d, Choice)]
        if words or len(space.dimensions) < 2 or len(objectives) > 1:
            got = f"the words of {', '.join(words)}" if words else str(len(space.dimensions))
            raise ConfigError(
                f"{head} takes two or more numbers, got {got}, and one objective, got "
                f"{len(objectives)}: take sampler=tpe"
            )
