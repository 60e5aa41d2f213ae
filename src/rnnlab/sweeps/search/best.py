"""The best trials of a search: printed, and written as a config that trains them again."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnlab.config.compose import compose
from rnnlab.config.sources import config_directories
from rnnlab.errors import ConfigError
from rnnlab.files.atomic import write_atomically
from rnnlab.process.output import note
from rnnlab.runs.run import Run
from rnnlab.sweeps.search.plan import Plan

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_OVERLAY_GROUPS = ("experiment", "sweep", "debug")
"""Config groups that only set values of other groups."""


def write_best(sweep: Path, study: "optuna.Study", plan: Plan) -> None:
    """Write `best.yaml`, a primary config with choices and values of the best trial so far."""
    for trial in _best_trials(study, plan)[:1]:
        assert trial.values is not None
        objective = "" if len(plan.objectives) == 1 else f"in {next(iter(plan.objectives))} "
        head = [
            f"The best {objective}of {_count(study)}: trial {trial.number}, "
            f"{format_scores(plan.objectives, trial.values)}, in {trial.user_attrs['run']}.",
            "Train it again, with other settings if you like:",
            f"  {_command(sweep)}",
        ]
        try:
            config = _as_primary_config(Run.load(sweep / trial.user_attrs["run"]).config)
        except ConfigError as error:  # the run is damaged, or an option of it no longer exists
            note(f"best.yaml stays as it was: {error}")
            return
        text = "".join(f"# {line}\n" for line in head) + OmegaConf.to_yaml(config)
        write_atomically(sweep / "best.yaml", text.encode())


def best_lines(sweep: Path, study: "optuna.Study", plan: Plan) -> list[str]:
    """Return lines about the best trial, or with several objectives about the Pareto front."""
    best = _best_trials(study, plan)
    if not best:
        return [f"none of {_count(study)} came to an end", ""]
    several = len(plan.objectives) > 1
    which = f"the first in {next(iter(plan.objectives))}" if several else "it"
    lines = [f"best of {_count(study)}{', none beaten in all objectives' if several else ''}"]
    for trial in best:
        assert trial.values is not None
        searched = " ".join(plan.space.searched_overrides(trial.params))
        scores = format_scores(plan.objectives, trial.values)
        lines.append(f"  {trial.user_attrs['run']}  trial {trial.number}  {scores}  {searched}")
    return [*lines, f"train {which} again: {_command(sweep)}", ""]


def format_scores(metrics: Iterable[str], values: Iterable[float]) -> str:
    """Format metrics with their values, in four digits."""
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(metrics, values, strict=True))


def _best_trials(study: "optuna.Study", plan: Plan) -> "list[FrozenTrial]":
    """Return the Pareto front, best in the first objective first; one trial of one objective."""
    sign = 1 if next(iter(plan.objectives.values())) == "minimize" else -1
    front = sorted(study.best_trials, key=lambda trial: (sign * trial.values[0], trial.number))
    return front if len(plan.objectives) > 1 else front[:1]


def _count(study: "optuna.Study") -> str:
    trials = study.get_trials(deepcopy=False)
    return f"{sum(trial.state.is_finished() for trial in trials)} trials"


def _command(sweep: Path) -> str:
    return f"rnnlab-train --config-dir {quote(str(sweep))} --config-name best"


def _as_primary_config(config: DictConfig) -> dict[str, Any]:
    """Make a primary config for Hydra of a run's choices and the values that differ from them."""
    choices = {
        group: option
        for group, option in config.choices.items()
        if option is not None and group not in _OVERLAY_GROUPS
    }
    default = compose([f"{group}={option}" for group, option in choices.items()])
    values, defaults = OmegaConf.to_container(config), OmegaConf.to_container(default)
    assert isinstance(values, dict)
    assert isinstance(defaults, dict)
    changes = _changes(values, defaults)
    for filled_in in ("choices", "files"):
        changes.pop(filled_in, None)
    overrides = [{f"override {group}": option} for group, option in choices.items()]
    primary = {"defaults": ["train", *overrides, "_self_"], **changes}
    searchpath = [f"file://{directory.absolute()}" for directory in config_directories()[1:]]
    return primary | ({"hydra": {"searchpath": searchpath}} if searchpath else {})


def _changes(values: Mapping[Any, Any], defaults: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the part of a nested dict that differs from another one."""
    return {
        key: _changes(value, other)
        if isinstance(value, dict) and isinstance(other := defaults.get(key), dict)
        else value
        for key, value in values.items()
        if key not in defaults or value != defaults[key]
    }
