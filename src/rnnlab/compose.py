"""From words on a command line to a config: composing, overriding, and saying what went wrong."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from rnnlab.config import near
from rnnlab.errors import ConfigError

VERSION_BASE: str | None = "1.3" if hydra.__version__ < "1.4" else None
"""Must be given to Hydra below 1.4; from 1.4 on there is one behaviour only."""


def config_directory() -> Path:
    """Find the yaml files: inside an installed package, else beside `src` in a checkout."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "configs"


def compose(overrides: list[str]) -> DictConfig:
    """Compose `train.yaml` with overrides, as the command line does.

    Raises:
        ConfigError: an override is no setting, or can't be read.
    """
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_directory()), version_base=VERSION_BASE):
            cfg = hydra_compose("train", overrides, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(explain(error, overrides)) from error
    choices = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return with_choices(cfg, choices)


def with_choices(cfg: DictConfig, choices: Mapping[str, Any]) -> DictConfig:
    """Record which options of the groups were chosen."""
    cfg = cfg.copy()
    cfg.choices = {k: v for k, v in choices.items() if not k.startswith("hydra/")}
    return cfg


def apply_overrides(cfg: DictConfig, overrides: list[str]) -> DictConfig:
    """Change settings of a config that was composed before.

    Raises:
        ConfigError: an override is no setting, can't be read, or chooses from a group.
    """
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, True)
    known = _keys(cfg)
    problems = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as error:
            problems.append(_unreadable(text, error))
            continue
        key = override.key_or_group
        if override.type is not OverrideType.CHANGE or override.is_sweep_override():
            problems.append(f"{text!r} must be KEY=VALUE with one value")
        elif key not in known:
            problems.append(f"{key} is not a setting of this run{near(key, known)}")
        else:
            OmegaConf.update(cfg, key, override.value())
    if problems:
        raise ConfigError("\n".join(problems))
    return cfg


def explain(error: Exception, overrides: list[str], *, grid: bool = False) -> str:
    """Say in one line a problem what is wrong with overrides that Hydra refused.

    Args:
        error: what Hydra said.
        overrides: as they were typed.
        grid: whether one may name several values, as with `-m`.
    """
    problems, groups, settings = [], [], []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as parsing:
            problems.append(_unreadable(text, parsing))
            continue
        if not override.key_or_group:
            problems.append(f"{text!r} can't be read as KEY=VALUE")
        elif override.is_sweep_override() and not grid:
            problems.append(f"{text} names several values: add -m to run them one after another")
        elif not (config_directory() / override.key_or_group).is_dir():
            settings.append(override.key_or_group)
        else:
            values = _values(override)
            problems += filter(None, (_wrong_choice(override, value) for value in values))
            groups.append(f"{text.partition('=')[0]}={values[0]}")
    known = _known(groups)
    if known:
        names = [path.name for path in config_directory().iterdir() if path.is_dir()]
        problems += [
            f"{key} is not a setting{near(key, [*known, *names])}"
            for key in settings
            if key not in known and not key.startswith("hydra")
        ]
    if absent := re.match(r"Could not override '(.+?)'", str(error)):
        problems = problems or [f"{absent[1]} can't be chosen: no config chosen here has that part"]
    return "\n".join(problems) if problems else str(error).strip()


def _unreadable(text: str, error: HydraException) -> str:
    key, equals, value = text.partition("=")
    hint = f"; a value with signs in it needs quotes: '{key}=\"{value}\"'" if equals else ""
    return f"{text!r} can't be read as KEY=VALUE: {str(error).splitlines()[0]}{hint}"


def _values(override: Override) -> list[str]:
    """Give every value that an override takes in turn."""
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    return [override.get_value_element_as_str()]


def _wrong_choice(override: Override, value: str) -> str | None:
    """Say what is wrong with a choice from a group, if something is."""
    group = override.key_or_group
    options = sorted(path.stem for path in (config_directory() / group).glob("*.yaml"))
    if value in options:
        return None
    return (
        f"{group}={value} is not to be had"
        f"{near(value, options)}; {group} is one of {', '.join(options)}"
    )


def _known(groups: list[str]) -> list[str]:
    """Give every key there is with these choices; none if Hydra refuses them too."""
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_directory()), version_base=VERSION_BASE):
            return _keys(hydra_compose("train", groups))
    except (HydraException, OmegaConfBaseException, ValueError):
        return []


def _keys(cfg: DictConfig) -> list[str]:
    """Give every key of a config, dotted, those of inner mappings too."""
    keys: list[str] = []
    for key in map(str, cfg):
        inner = cfg._get_node(key)
        keys.append(key)
        if isinstance(inner, DictConfig) and not inner._is_none():
            keys += [f"{key}.{name}" for name in _keys(inner)]
    return keys
