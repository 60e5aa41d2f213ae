"""Composing a config from overrides, and applying overrides to a composed config."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hydra import compose as hydra_compose
from hydra.core.override_parser.types import OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from rnnlab.config.build import check_values
from rnnlab.config.explain import REFUSALS, explain, settings_of
from rnnlab.config.overrides import parse_override, quote_short, with_quoted_paths
from rnnlab.config.packages import allow_packages, allow_packages_of
from rnnlab.config.size import sized
from rnnlab.config.sources import hydra_initialized, primary_config
from rnnlab.config.stored import has_interpolations
from rnnlab.config.suggestions import did_you_mean
from rnnlab.errors import ConfigError
from rnnlab.spelling import first_line

_COMMAND_FIELDS: dict[str, Any] = {
    "sweep_name": str | None,
    "on_error": Literal["continue", "stop"],
    "dry_run": bool,
    "trial": Any,
    "parameters": int | str | None,
}
COMMAND_KEYS = ("sweep", *_COMMAND_FIELDS, "output_dir")
"""Keys of overrides that configure the command or where it writes, not the run."""
NO_TRIAL = "trial can't be given: hydra/sweeper=optuna tells it to its jobs"
"""The error of a `trial` that no search has set."""


class CommandOptions(NamedTuple):
    """Options of `rnnlab-train` that its config holds beside the settings of a run.

    Attributes:
        on_error: whether a sweep goes on after a failed job: `continue` or `stop`.
        dry_run: whether to check the settings and train nothing.
        trial: of a search's job, the value of `TrialRef.override`; else `None`.
        parameters: what `sized` fits the model to, or `None`.
    """

    on_error: str
    dry_run: bool
    trial: Any
    parameters: int | str | None


def compose(overrides: list[str]) -> DictConfig:
    """Compose `train.yaml` with overrides, as the command line does.

    Raises:
        ConfigError: an override can't be parsed, or its key is not a setting.
    """
    from rnnlab.config.base_run import overrides_of_base  # which composes too

    allow_packages_of(overrides)
    overrides = with_quoted_paths(overrides)
    overrides = [*overrides_of_base(overrides), *overrides]
    try:
        with hydra_initialized():
            cfg = hydra_compose("train", overrides, return_hydra_config=True)
    except REFUSALS as error:
        raise ConfigError(explain(error, overrides)) from error
    choices = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    options = pop_command_options(cfg)
    return sized(with_choices(cfg, choices), options.parameters, overrides)


def pop_command_options(cfg: DictConfig) -> CommandOptions:
    """Remove the command's options from a composed config, and return them.

    Raises:
        ConfigError: one is missing or invalid.
    """
    try:
        with open_dict(cfg):
            options = {key: cfg.pop(key) for key in _COMMAND_FIELDS}
    except OmegaConfBaseException as error:
        raise ConfigError(first_line(error)) from error
    check_values(options, _COMMAND_FIELDS)
    del options["sweep_name"]
    return CommandOptions(**options)


def overrides_of_run(overrides: Iterable[str]) -> dict[str, str]:
    """Return the overrides of a run's settings, key -> value, without those of the command."""
    pairs = (override.partition("=")[::2] for override in overrides)
    return {
        key: value
        for key, value in pairs
        if key not in COMMAND_KEYS and not key.startswith("hydra")
    }


def sweep_directory(overrides: Iterable[str]) -> Path:
    """Return the directory of a sweep with these overrides.

    Raises:
        ConfigError: the overrides that decide it are invalid.
    """
    cfg = _sweep_config(overrides)
    try:
        name, directory = Path(str(cfg.sweep_name)), Path(cfg.hydra.sweep.dir)
    except REFUSALS as error:
        raise ConfigError(first_line(error)) from error
    if ".." in name.parts or name.is_absolute():
        raise ConfigError(f"sweep_name must be a name in output_dir/sweeps, got {name}")
    return directory


def has_sweep_name(overrides: Iterable[str]) -> bool:
    """Whether these overrides, or a config that they choose, set the name of a sweep.

    Raises:
        ConfigError: the overrides that decide it are invalid.
    """
    return _sweep_config(overrides).sweep_name is not None


def _sweep_config(overrides: Iterable[str]) -> DictConfig:
    """Compose a config that has the right name and directory of a sweep.

    Raises:
        ConfigError: an override that decides them is invalid, or has several values.
    """
    overrides = list(overrides)
    deciding = [
        text for text in overrides if re.match(r"(sweep|sweep_name|output_dir|hydra[./].*)=", text)
    ]
    if several := [text for text in deciding if _is_sweep(text)]:
        parts = [text.partition("=") for text in several]
        raise ConfigError(
            "\n".join(
                f"{key} must be one for all jobs of a sweep, got {got}" for key, _, got in parts
            )
        )
    # Configs of these groups may set them, too.
    deciding += [o for o in overrides if re.match("(experiment|debug)=", o) and not _is_sweep(o)]
    try:
        with hydra_initialized():
            return hydra_compose(primary_config(), deciding, return_hydra_config=True)
    except REFUSALS as error:
        raise ConfigError(explain(error, overrides, grid=True)) from error


def _is_sweep(text: str) -> bool:
    """Whether an override has several values; False if it can't be parsed."""
    try:
        return parse_override(text).is_sweep_override()
    except ConfigError:
        return False


def with_choices(cfg: DictConfig, choices: Mapping[str, Any]) -> DictConfig:
    """Record the chosen option of each group in a config, and resolve its interpolations.

    Raises:
        ConfigError: a choice is invalid, or an interpolation can't be resolved.
    """
    for key in ("choices", "files"):
        if cfg.get(key):
            raise ConfigError(f"{key} can't be given: the program fills them in")
    for group, choice in choices.items():
        if ".." in str(choice):
            raise ConfigError(f"{group}={choice} doesn't exist: it leads out of the configs")
    if OmegaConf.is_list(cfg.packages):  # else `build.check` reports it
        allow_packages(map(str, cfg.packages))
    with open_dict(cfg):
        cfg.choices = {k: v for k, v in choices.items() if not k.startswith("hydra/")}
    return _resolved(cfg)


def apply_overrides(cfg: DictConfig, overrides: list[str]) -> DictConfig:
    """Change settings of a composed config.

    Raises:
        ConfigError: an override can't be parsed, its key is not a setting, or it chooses from a
            group.
    """
    allow_packages_of(overrides)
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, True)
    known = settings_of(cfg)
    problems = []
    for text in with_quoted_paths(overrides):
        try:
            override = parse_override(text)
            key = override.key_or_group
            if override.type is not OverrideType.CHANGE or override.is_sweep_override():
                problems.append(f"{text!r} must be KEY=VALUE with one value")
            elif key not in known:
                hint = did_you_mean(key, known, text.partition("=")[2])
                problems.append(f"{key} is not a setting of this run{hint}")
            else:
                OmegaConf.update(cfg, key, override.value())
        except ConfigError as error:
            problems.append(str(error))
        except OmegaConfBaseException as error:
            problems.append(f"{quote_short(text)} can't be: {first_line(error)}")
    if problems:
        raise ConfigError("\n".join(problems))
    return _resolved(cfg)


def _resolved(cfg: DictConfig) -> DictConfig:
    """Resolve all interpolations."""
    if not has_interpolations(cfg):  # ten times as fast as resolving
        return cfg
    key = ""
    try:
        for key in settings_of(cfg):
            if OmegaConf.is_list(value := OmegaConf.select(cfg, key)):
                OmegaConf.resolve(value)
        OmegaConf.resolve(cfg)
    except (OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"{key} can't be resolved: {first_line(error)}") from error
    return cfg


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    """Flatten nested mappings: dotted key -> leaf."""
    if not isinstance(tree, dict):
        return {path: tree}
    return {
        name: leaf
        for key, value in tree.items()
        for name, leaf in flat(value, f"{path}.{key}" if path else key).items()
    }
