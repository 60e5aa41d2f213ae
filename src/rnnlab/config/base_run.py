"""`init_from=DIR`: the task and the model of an earlier run, as words that choose them."""

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


def overrides_of_base(words: Sequence[str]) -> list[str]:
    """Give the words that choose the task and the model of the run that `init_from` names.

    Put before `words`, they make it the base of the new run: what `words` choose themselves is not
    among them. There are none where `words` name no run.

    Raises:
        ConfigError: it is no run, its choices are none here, or several are named that differ in
            task or model.
    """
    said = [override for word in words if (override := _read(word)) is not None]
    named = [override for override in said if override.key_or_group == "init_from"]
    if not named:
        return []
    directories = _values(named[-1])
    if not directories:
        return []
    bases = {
        directory: _words(read_config(run_config_path(directory, "init_from")), said)
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


def _words(config: DictConfig, said: Iterable[Override]) -> list[str]:
    """Spell the task and the model of a config, but for the parts that were chosen otherwise."""
    chosen = [_package(override) for override in said]
    if any(package in _CHOOSE_BOTH for package in chosen):
        return []
    choices = {
        group: option
        for group, option in config.choices.items()
        if _within(_package_of(group), _PARTS) and not _within(_package_of(group), chosen)
    }
    words = [f"{group}={option}" for group, option in choices.items()]
    try:
        with hydra_initialized():
            plain = flat(OmegaConf.to_container(compose("train", words)))
    except HydraException as error:
        raise ConfigError(
            f"init_from: {' '.join(words)} of its run can't be chosen here; a run of configs of "
            "your own needs them again: --config-dir DIR"
        ) from error
    own = flat(OmegaConf.to_container(config))
    return words + [
        f"{key}={format_value(value)}"
        for key, value in own.items()
        if _within(key, _PARTS)
        and not _within(key, chosen)
        and (key not in plain or plain[key] != value)
    ]


def _read(word: str) -> Override | None:
    """Read a word; of one that can't be read, the error is told by whoever composes."""
    try:
        return parse_override(word)
    except ConfigError:
        return None


def _values(override: Override) -> list[str]:
    """Give what an override may set its key to, without quotes."""
    if not override.is_sweep_override():
        return [] if override.value() is None else [str(override.value())]
    key = override.key_or_group
    words = (parse_override(f"{key}={element}") for element in override.sweep_string_iterator())
    return [value for word in words for value in _values(word)]


def _package(override: Override) -> str:
    """Give the dotted key that an override writes to."""
    return override.package or override.key_or_group.replace("/", ".")


def _package_of(choice: str) -> str:
    """Give the dotted key of a group as `choices` names it: `model@model.encoder`, `model/part`."""
    group, _, package = choice.partition("@")
    return package or group.replace("/", ".")


def _within(key: str, parts: Iterable[str]) -> bool:
    """Tell whether a dotted key is one of the parts, or inside one."""
    return any(key == part or key.startswith(f"{part}.") for part in parts)
