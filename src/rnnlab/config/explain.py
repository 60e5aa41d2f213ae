"""Errors for overrides that Hydra refused, a line for each mistake."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra import compose
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, ValueNode
from omegaconf.errors import OmegaConfBaseException

from rnnlab.config.overrides import parse_override, quote_short
from rnnlab.config.sources import hydra_initialized, primary_config
from rnnlab.config.suggestions import candidates, did_you_mean, nearest, unit_hint
from rnnlab.errors import ConfigError
from rnnlab.spelling import first_line, printable

REFUSALS = (HydraException, OmegaConfBaseException, ValueError, TypeError, RecursionError)
"""What Hydra raises for invalid overrides; some errors are not its own."""

_SEARCH = "hydra.searchpath="
_OPTIONS = ("config-dir", "config-name", "multirun", "help", "hydra-help", "info", "cfg", "version")
"""Options of the command to suggest for a misspelt one."""


def explain(error: Exception, overrides: list[str], *, grid: bool = False) -> str:
    """Describe the mistakes in overrides that Hydra refused, a line for each.

    Args:
        error: Hydra's error.
        overrides: the overrides as typed.
        grid: whether an override may have several values, as with `-m`.
    """
    if str(error).startswith("hydra.searchpath"):
        return first_line(error)  # without a search path the options are unknown
    paths = [text for text in overrides if text.startswith(_SEARCH)]
    problems: list[str] = []
    chosen: dict[str, list[str]] = {}  # group -> an override for each chosen option
    settings, several = {}, {}
    for text in overrides:
        try:
            override = parse_override(text)
        except ConfigError as unreadable:
            problems.append(_without_value(text, paths) or str(unreadable))
            continue
        key, value = override.key_or_group, text.partition("=")[2]
        options = _options(key, paths)
        if not key:
            problems.append(f"{quote_short(text)} can't be read as KEY=VALUE")
        elif override.is_interval_sweep() and grid:
            if options:
                problems.append(f"{text}: {key} is one of {', '.join(options)}")
            settings[key] = value
        elif override.is_sweep_override() and not grid:
            if options:
                problems.append(_not_one(key, value))
            else:
                several[key] = value
        elif not options:
            settings[key] = value
        elif override.is_delete():
            chosen[text] = [text]
        else:
            values = _values(override)
            problems += filter(None, (_wrong_choice(key, value, paths) for value in values))
            chosen[key] = [f"{text.partition('=')[0]}={value}" for value in values]
    known = _known([*paths, *(each[0] for each in chosen.values())])
    problems += [_not_one(key, value, known.get(key, 0)) for key, value in several.items()]
    with_each = _with_each(chosen, known, paths)
    for key, value in settings.items() if known else ():
        if key.startswith("hydra"):
            continue
        if lacks := _lacking(key, with_each):
            problems.append(lacks)
        elif key == "callbacks":  # a group without options of our own
            problems.append(
                f"callbacks={value} doesn't exist: packages=[NAME] gives those of a package, "
                "+callbacks.NAME._target_=CLASS one by one"
            )
        elif key not in known:
            problems.append(
                f"{key} is not a setting{did_you_mean(key, _named(known, paths), value)}"
            )
    return "\n".join(problems or [_shortened(error)])


def explain_options(options: Sequence[tuple[str, str | None]], overrides: Sequence[str]) -> str:
    """Describe options that the command doesn't have, a line for each.

    Args:
        options: each with the value typed after it.
        overrides: the overrides beside them.
    """
    paths = [text for text in overrides if text.startswith(_SEARCH)]
    chosen = [text for text in overrides if _options(text.partition("=")[0], paths)]
    known = _named(_known([*paths, *chosen]) or _known([]), paths)
    problems = []
    for option, value in options:
        words = [
            name if "=" in name else f"{name}={'VALUE' if value is None else value}"
            for name in candidates(option, known, value)
        ] or [f"--{name}" for name in nearest(option.lstrip("-"), dict.fromkeys(_OPTIONS))]
        hint = f": did you mean {' or '.join(words)}?{unit_hint(option, words)}" if words else ""
        problems.append(
            f"{printable(option)} is not an option; settings are KEY=VALUE, without dashes{hint}"
        )
    return "\n".join(problems)


def _without_value(text: str, paths: Sequence[str]) -> str | None:
    """Describe an argument without `=` that is a group or an option of one."""
    if options := _options(text, paths) if text.isidentifier() else []:
        takes = f"{text} is one of {', '.join(options)}"
        return f"{text!r} can't be read as KEY=VALUE: it has no =; {takes}"
    groups = [group for group, options in _groups(paths).items() if text in options]
    if not groups:
        return None
    words = " or ".join(f"{group}={text}" for group in groups)
    return f"{text!r} can't be read as KEY=VALUE: did you mean {words}?"


def _not_one(key: str, value: str, present: Any = 0) -> str:
    """Describe an override with several values but without `-m`, and suggest what to do.

    Args:
        key: a setting or a group.
        value: the value as typed.
        present: the value in the configs.
    """
    problem = (
        f"{key}={value} names several values: add -m to run them one after another, or in Python "
        "call rnnlab.sweep"
    )
    if OmegaConf.is_list(present):
        return f"{problem}, or take {key}=[{value}] for a list"
    if isinstance(present, str | None) and not re.search(r"['\"(]", value):
        return f"{problem}; one text with a comma in it stands in quotes: '{key}=\"{value}\"'"
    return problem


def _with_each(
    chosen: Mapping[str, Sequence[str]], known: Mapping[str, Any], paths: Sequence[str]
) -> list[dict[str, Mapping[str, Any]]]:
    """Return, for each swept group, the settings that exist with each of its options.

    Args:
        chosen: group -> an override for each chosen option.
        known: the settings with the first option of each group.
        paths: the overrides of Hydra's search path.

    Returns:
        For each group with several options: override -> settings.
    """
    found = []
    for group, (first, *more) in chosen.items():
        others = [each[0] for name, each in chosen.items() if name != group]
        if more:
            found.append({first: known, **{o: _known([*paths, *others, o]) for o in more}})
    return found


def _lacking(key: str, with_each: Sequence[Mapping[str, Mapping[str, Any]]]) -> str | None:
    """Describe a setting that exists only with some of the options that are swept."""
    for settings in with_each:
        having = [option for option, known in settings.items() if key in known]
        lacking = [option for option, known in settings.items() if known and key not in known]
        if having and lacking:
            return (
                f"{key} is a setting of {', '.join(having)} and not of {', '.join(lacking)}: "
                "sweep them one after the other"
            )
    return None


def _shortened(error: Exception) -> str:
    """Describe Hydra's error in a line."""
    absent = re.match(r"Could not (?:override|delete) '(.+?)'", str(error))
    if not absent:
        return first_line(error)
    if error.__cause__ is None:
        return f"{absent[1]} can't be chosen: no config chosen here has that part"
    return f"{absent[1]} can't be that: {first_line(error.__cause__)}"


def _values(override: Override) -> list[str]:
    """Return all values of an override."""
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    return [override.get_value_element_as_str()]


def _wrong_choice(group: str, value: str, paths: Sequence[str]) -> str | None:
    """Describe an option that a group doesn't have; `None` if it has."""
    options = _options(group, paths)
    if value in options:
        return None
    if group == "logger" and value in _ALWAYS:
        return f"logger={value} can be left out: {_ALWAYS[value]} always written; logger adds one"
    return (
        f"{group}={value} doesn't exist"
        f"{did_you_mean(value, options)}; {group} is one of {', '.join(options)}"
    )


_ALWAYS = {"tensorboard": "TensorBoard's records are", "csv": "metrics.csv is"}


def _options(group: str, paths: Sequence[str]) -> list[str]:
    """Return the options of a group; empty if it is not a group.

    Args:
        group: its name.
        paths: the overrides of Hydra's search path.
    """
    if group == "hydra":
        return []
    with hydra_initialized() as loader:
        try:
            return loader.get_group_options(
                group, config_name=primary_config(), overrides=list(paths)
            )
        except REFUSALS:  # the search path is invalid
            return loader.get_group_options(group)


def _groups(paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the groups of a run's config: group -> options."""
    with hydra_initialized() as loader:
        names = loader.list_groups("")
    found = {name: tuple(_options(name, paths)) for name in names if name != "analysis"}
    return {name: options for name, options in found.items() if options}


def _named(known: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return all valid keys: settings, groups, and `resume`."""
    return {**known, **_groups(paths), "resume": None}


def _known(chosen: Sequence[str]) -> dict[str, Any]:
    """Return the settings that exist with these choices; empty if Hydra refuses them too."""
    try:
        with hydra_initialized():
            return settings_of(compose(primary_config(), list(chosen)))
    except REFUSALS:
        return {}


def settings_of(cfg: DictConfig) -> dict[str, Any]:
    """Return all dotted keys of a config, also those of mappings: key -> value."""
    found: dict[str, Any] = {}
    for key in cfg:
        if isinstance(key, str):
            inner = cfg._get_node(key)
            found[key] = inner._value() if isinstance(inner, ValueNode) else inner
            if isinstance(inner, DictConfig) and not inner._is_none():
                found |= {f"{key}.{name}": value for name, value in settings_of(inner).items()}
    return found
