"""`init_from=DIR`: the overrides that select task and model of an earlier run."""

from collections.abc import Iterable, Sequence

from hydra import compose
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from rnnlab.config.compose import flat
from rnnlab.config.overrides import format_value, parse_override
from rnnlab.config.sources import hydra_initialized
from rnnlab.config.stored import read_config, run_config_path
from rnnlab.errors import ConfigError

_PARTS = ("task", "model")
_CHOOSE_BOTH = ("experiment", "sweep")
"""Groups whose options choose a task and a model of their own."""


def overrides_of_base(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that select task and model of the run that `init_from` names.

    Put before `overrides`, they make it the base of the new run. Without `init_from` there are
    none, and none for what `overrides` select themselves.

    Raises:
        ConfigError: the directory is not a run, its configs are unknown here, or several runs are
            named that differ in task or model.
    """
    parsed = [override for text in overrides if (override := _parse(text)) is not None]
    named = [override for override in parsed if override.key_or_group == "init_from"]
    if not named:
        return []
    directories = _values(named[-1])
    if not directories:
        return []
    bases = {
        directory: _overrides(read_config(run_config_path(directory, "init_from")), parsed)
        for directory in directories
    }
    first = directories[0]
    for directory, base in bases.items():
        if base != bases[first]:
            raise ConfigError(
                f"init_from names runs that differ in task or model, {first} and {directory}: "
                "sweep them one after the other"
            )
    return bases[first]


def _overrides(config: DictConfig, given: Iterable[Override]) -> list[str]:
    """Return the overrides that make task and model of a config, without those of given parts."""
    chosen = [_package(override) for override in given]
    if any(package in _CHOOSE_BOTH for package in chosen):
        return []
    choices = {
        group: option
        for group, option in config.choices.items()
        if _within(_package_of(group), _PARTS) and not _within(_package_of(group), chosen)
    }
    choosing = [f"{group}={option}" for group, option in choices.items()]
    try:
        with hydra_initialized():
            plain = flat(OmegaConf.to_container(compose("train", choosing)))
    except HydraException as error:
        raise ConfigError(
            f"init_from: {' '.join(choosing)} of its run can't be chosen here; a run of configs of "
            "your own needs them again: --config-dir DIR"
        ) from error
    own = flat(OmegaConf.to_container(config))
    return choosing + [
        f"{key}={format_value(value)}"
        for key, value in own.items()
        if _within(key, _PARTS)
        and not _within(key, chosen)
        and (key not in plain or plain[key] != value)
    ]


def _parse(text: str) -> Override | None:
    """Parse an override; `None` if it can't be, which composing reports."""
    try:
        return parse_override(text)
    except ConfigError:
        return None


def _values(override: Override) -> list[str]:
    """Return the values of an override, of a sweep override all of them, without quotes."""
    if not override.is_sweep_override():
        return [] if override.value() is None else [str(override.value())]
    key = override.key_or_group
    each = (parse_override(f"{key}={element}") for element in override.sweep_string_iterator())
    return [value for one in each for value in _values(one)]


def _package(override: Override) -> str:
    """Return the dotted key that an override writes to."""
    return override.package or override.key_or_group.replace("/", ".")


def _package_of(choice: str) -> str:
    """Return the dotted key of a group in `choices`: of `model@model.encoder`, `model/part`."""
    group, _, package = choice.partition("@")
    return package or group.replace("/", ".")


def _within(key: str, parts: Iterable[str]) -> bool:
    """Whether a dotted key is one of the parts, or inside one."""
    return any(key == part or key.startswith(f"{part}.") for part in parts)
