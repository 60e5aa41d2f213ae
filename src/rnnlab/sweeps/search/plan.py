"""The plan of a search, with all checks that are made before anything is written."""

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
from rnnlab.config.compose import COMMAND_KEYS
from rnnlab.config.explain import explain
from rnnlab.config.overrides import parse_override
from rnnlab.errors import ConfigError
from rnnlab.ranges import PositiveInt, Seed
from rnnlab.sweeps import jobs
from rnnlab.sweeps.compose_jobs import Composed, Composer
from rnnlab.sweeps.search.space import Choice, Space

if TYPE_CHECKING:
    from rnnlab.experiment.experiment import Experiment

_NOT_SEARCHABLE = (*COMMAND_KEYS, "monitor")
_COSTS = ("parameters", "steps", "best_step")  # objectives besides scores; less is better

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class SearchSettings:
    """Settings of a search: the keys of `hydra.sweeper`."""

    sampler: Literal["tpe", "random", "cmaes", "grid"]
    pruner: Literal["none", "median", "asha"]
    n_trials: PositiveInt | None
    n_jobs: PositiveInt
    trials_per_shape: PositiveInt
    seed: Seed
    objective: str | list[str] | None
    storage: str | None

    @classmethod
    def checked(cls, settings: Mapping[str, Any]) -> "SearchSettings":
        """Check the settings in Hydra's config.

        Raises:
            ConfigError: Optuna is not installed, or a setting is invalid.
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
    """A search that has been checked.

    Attributes:
        settings: settings of `hydra.sweeper`.
        space: the search space.
        objectives: metric -> minimize or maximize.
        n_trials: number of trials in all.
        shaping: the searched settings in which members of a group can't differ, such as sizes.
    """

    settings: SearchSettings
    space: Space
    objectives: Mapping[str, Direction]
    n_trials: int
    shaping: Sequence[str]

    @property
    def subject(self) -> dict[str, Any]:
        """What identifies the search: space, fixed overrides and objectives; kept in the study."""
        return {
            "space": {dimension.key: str(dimension) for dimension in self.space.dimensions},
            "fixed": {
                key: override
                for key, override in self.space.fixed.items()
                if key not in COMMAND_KEYS
            },
            "objectives": dict(self.objectives),
        }

    def lines(self) -> list[str]:
        """Return the lines that a dry run prints."""
        width = max(len(dimension.key) for dimension in self.space.dimensions)
        goals = ", ".join(f"{direction} {metric}" for metric, direction in self.objectives.items())
        settings = self.settings
        return [
            f"search {goals}",
            *(f"  {d.key:{width}}  {d}" for d in self.space.dimensions),
            f"{self.n_trials} trials in all, {settings.n_jobs} at once, "
            f"sampler {settings.sampler}, pruner {settings.pruner}",
            *(
                [f"{settings.trials_per_shape} trials in a row share {', '.join(self.shaping)}"]
                if settings.trials_per_shape > 1 and self.shaping
                else []
            ),
        ]


def read_space(overrides: Sequence[str], compose: Composer) -> Space:
    """Read the search space; an interval is one of floats if the config's own value is a float.

    Raises:
        ConfigError: the overrides don't make a search space.
    """

    @cache
    def config() -> DictConfig:
        fixed = [text for text in overrides if not parse_override(text).is_sweep_override()]
        return _compose(fixed, compose).cfg

    return Space.read(
        overrides, _NOT_SEARCHABLE, lambda key: isinstance(OmegaConf.select(config(), key), float)
    )


def make_plan(settings: SearchSettings, space: Space, compose: Composer, sweep: Path) -> Plan:
    """Check a search before anything is written.

    Raises:
        ConfigError: a setting, an objective or the config at both ends of the space is invalid.
    """
    from rnnlab.ensemble.groups import may_differ
    from rnnlab.experiment.experiment import Experiment
    from rnnlab.training.prepare import check_metrics

    experiment = _from_either_end(
        space, lambda overrides: Experiment.assemble(compose_job(overrides, compose, sweep).cfg)
    )
    if experiment.training.devices > 1:
        raise ConfigError(
            f"hydra/sweeper=optuna trains a trial on one device, got "
            f"trainer.devices={experiment.training.devices}"
        )
    metrics = check_metrics(experiment)
    objectives = _objectives(settings, experiment, metrics)
    _check_sampler(settings, space, objectives)
    n_trials = settings.n_trials or 20
    if settings.sampler == "grid":
        size = prod(len(dimension.values or ()) for dimension in space.dimensions)
        n_trials = min(settings.n_trials or size, size)
    free = may_differ(experiment.cfg)
    shaping = [d.key for d in space.dimensions if d.key not in free]
    _check_trials_per_shape(settings, space, shaping)
    return Plan(settings, space, objectives, n_trials, shaping)


def _from_either_end(space: Space, make: Callable[[list[str]], Any]) -> Any:
    """Call `make` with the lowest values of all dimensions, or if these fail with the highest.

    An error at both ends is taken for one of the whole search, and raised.
    """
    errors = []
    for end in range(2):
        try:
            return make(space.overrides({d.key: d.ends[end] for d in space.dimensions}))
        except ConfigError as error:
            errors.append(error)
    raise errors[0]


def compose_job(overrides: Sequence[str], compose: Composer, sweep: Path) -> jobs.Job:
    """Make a job from its overrides.

    Raises:
        ConfigError: the overrides don't make a config.
    """
    job, _ = jobs.make_job(*_compose(overrides, compose), sweep)
    return job


def _compose(overrides: Sequence[str], compose: Composer) -> Composed:
    try:
        return compose(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, list(overrides), grid=True)) from error


def _objectives(
    settings: SearchSettings, experiment: "Experiment", metrics: list[str]
) -> dict[str, Direction]:
    """Return objective -> direction: a metric's is declared by the task, costs are minimized."""
    directions: dict[str, Direction] = {"min": "minimize", "max": "maximize"}
    given = settings.objective
    names = [given] if isinstance(given, str) else given or [experiment.cfg.monitor]
    for name in names:
        if name not in (*metrics, *_COSTS):
            known = ", ".join((*metrics, *_COSTS))
            raise ConfigError(f"hydra.sweeper.objective must be of {known}, got {name}")
    if len(set(names)) < len(names):
        raise ConfigError(f"hydra.sweeper.objective must be different ones, got {', '.join(names)}")
    if settings.pruner != "none" and (len(names) > 1 or names[0] not in metrics):
        raise ConfigError(
            f"hydra.sweeper.pruner={settings.pruner} needs one objective of validation, got "
            f"{', '.join(names)}: take pruner=none"
        )
    return {
        name: "minimize" if name in _COSTS else directions[experiment.task.mode(name)]
        for name in names
    }


def _check_trials_per_shape(settings: SearchSettings, space: Space, shaping: Sequence[str]) -> None:
    head = f"hydra.sweeper.trials_per_shape={settings.trials_per_shape}"
    if settings.trials_per_shape > settings.n_jobs:
        raise ConfigError(
            f"{head} are of one batch: it must be at most hydra.sweeper.n_jobs, got "
            f"{settings.n_jobs}"
        )
    if settings.trials_per_shape > 1 and len(shaping) == len(space.dimensions):
        raise ConfigError(
            f"{head} would make equal trials, since in {', '.join(shaping)} members of a group "
            "can't differ: search optimizer.lr or the like too"
        )


def _check_sampler(settings: SearchSettings, space: Space, objectives: Mapping[str, str]) -> None:
    head = f"hydra.sweeper.sampler={settings.sampler}"
    if settings.sampler == "grid":
        for dimension in space.dimensions:
            if dimension.values is None:
                raise ConfigError(
                    f"{head} takes choices and ranges, got {dimension.key}={dimension}"
                )
    elif settings.sampler == "cmaes":
        choices = [d.key for d in space.dimensions if isinstance(d, Choice)]
        if choices or len(space.dimensions) < 2 or len(objectives) > 1:
            got = f"choices for {', '.join(choices)}" if choices else str(len(space.dimensions))
            raise ConfigError(
                f"{head} takes two or more numbers, got {got}, and one objective, got "
                f"{len(objectives)}: take sampler=tpe"
            )
