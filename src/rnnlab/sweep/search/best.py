"""The best trials of a search: told, and kept as a config that trains them again."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnlab.config.compose import compose
from rnnlab.config.sources import config_directories
from rnnlab.errors import ConfigError
from rnnlab.files.whole import write_whole
from rnnlab.process.output import note
from rnnlab.runs.run import Run
from rnnlab.sweep.search.plan import Plan

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_ADDED = ("experiment", "sweep", "debug")
"""Groups that are no part of a config: they set what others have."""


def write_best(sweep: Path, study: "optuna.Study", plan: Plan) -> None:
    """Write `best.yaml`, an experiment: choices and settings of the trial that is best so far."""
    for trial in _best(study, plan)[:1]:
        assert trial.values is not None
        first = "" if len(plan.objectives) == 1 else f"in {next(iter(plan.objectives))} "
        head = [
            f"The best {first}of {_count(study)}: trial {trial.number}, "
            f"{scores_line(plan.objectives, trial.values)}, in {trial.user_attrs['run']}.",
            "Train it again, with other settings if you like:",
            f"  {_command(sweep)}",
        ]
        try:
            config = _as_experiment(Run.load(sweep / trial.user_attrs["run"]).config)
        except ConfigError as error:  # somebody damaged it, or the options that it names are gone
            note(f"best.yaml stays as it was: {error}")
            return
        text = "".join(f"# {line}\n" for line in head) + OmegaConf.to_yaml(config)
        write_whole(sweep / "best.yaml", text.encode())


def best_lines(sweep: Path, study: "optuna.Study", plan: Plan) -> list[str]:
    """Lay out the best trials; of several objectives those that none beats in all."""
    best = _best(study, plan)
    if not best:
        return [f"none of {_count(study)} came to an end", ""]
    several = len(plan.objectives) > 1
    which = f"the first in {next(iter(plan.objectives))}" if several else "it"
    lines = [f"best of {_count(study)}{', none beaten in all objectives' if several else ''}"]
    for trial in best:
        assert trial.values is not None
        words = " ".join(plan.space.chosen(trial.params))
        scores = scores_line(plan.objectives, trial.values)
        lines.append(f"  {trial.user_attrs['run']}  trial {trial.number}  {scores}  {words}")
    return [*lines, f"train {which} again: {_command(sweep)}", ""]


def scores_line(metrics: Iterable[str], values: Iterable[float]) -> str:
    """Say what was scored."""
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(metrics, values, strict=True))


def _best(study: "optuna.Study", plan: Plan) -> "list[FrozenTrial]":
    """Give the trials that none beats in all objectives, the best in the first objective first."""
    sign = 1 if next(iter(plan.objectives.values())) == "minimize" else -1
    found = sorted(study.best_trials, key=lambda trial: (sign * trial.values[0], trial.number))
    return found if len(plan.objectives) > 1 else found[:1]


def _count(study: "optuna.Study") -> str:
    trials = study.get_trials(deepcopy=False)
    return f"{sum(trial.state.is_finished() for trial in trials)} trials"


def _command(sweep: Path) -> str:
    return f"rnnlab-train --config-dir {quote(str(sweep))} --config-name best"


def _as_experiment(config: DictConfig) -> dict[str, Any]:
    """Make a config for Hydra of a run's: its choices, and what it has otherwise than they do."""
    choices = {
        group: option
        for group, option in config.choices.items()
        if option is not None and group not in _ADDED
    }
    plain = compose([f"{group}={option}" for group, option in choices.items()])
    ours, theirs = OmegaConf.to_container(config), OmegaConf.to_container(plain)
    assert isinstance(ours, dict)
    assert isinstance(theirs, dict)
    changes = _changes(ours, theirs)
    for filled_in in ("choices", "files"):
        changes.pop(filled_in, None)
    overrides = [{f"override {group}": option} for group, option in choices.items()]
    made = {"defaults": ["train", *overrides, "_self_"], **changes}
    own = [f"file://{directory.absolute()}" for directory in config_directories()[1:]]
    return made | ({"hydra": {"searchpath": own}} if own else {})


def _changes(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Give the part of a tree in which it isn't another."""
    return {
        key: _changes(value, other)
        if isinstance(value, dict) and isinstance(other := theirs.get(key), dict)
        else value
        for key, value in ours.items()
        if key not in theirs or value != theirs[key]
    }
