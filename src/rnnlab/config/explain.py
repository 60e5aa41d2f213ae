"""What is wrong with the words of a command line that Hydra refused, in a line each."""

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
"""What Hydra raises at words that it can't use; it stumbles over some."""

_SEARCH = "hydra.searchpath="
_OPTIONS = ("config-dir", "config-name", "multirun", "help", "hydra-help", "info", "cfg", "version")
"""Options of the command that somebody may have meant by another one."""


def explain(error: Exception, overrides: list[str], *, grid: bool = False) -> str:
    """Say in one line a problem what is wrong with overrides that Hydra refused.

    Args:
        error: what Hydra said.
        overrides: as they were typed.
        grid: whether one may name several values, as with `-m`.
    """
    if str(error).startswith("hydra.searchpath"):
        return first_line(error)  # without it nothing is known of what there is
    paths = [text for text in overrides if text.startswith(_SEARCH)]
    problems: list[str] = []
    chosen: dict[str, list[str]] = {}  # the words of each choice; the first one counts at first
    settings, several = {}, {}
    for text in overrides:
        try:
            override = parse_override(text)
        except ConfigError as unreadable:
            problems.append(_bare(text, paths) or str(unreadable))
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
    known = _known([*paths, *(words[0] for words in chosen.values())])
    problems += [_not_one(key, value, known.get(key, 0)) for key, value in several.items()]
    with_each = _with_each(chosen, known, paths)
    for key, value in settings.items() if known else ():
        if key.startswith("hydra"):
            continue
        if lacks := _lacking(key, with_each):
            problems.append(lacks)
        elif key not in known:
            problems.append(
                f"{key} is not a setting{did_you_mean(key, _named(known, paths), value)}"
            )
    return "\n".join(problems or [_shortened(error)])


def explain_options(options: Sequence[tuple[str, str | None]], overrides: Sequence[str]) -> str:
    """Say in one line each what is wrong with options that no command has.

    Args:
        options: each with the value that was typed behind it.
        overrides: the settings beside them.
    """
    paths = [word for word in overrides if word.startswith(_SEARCH)]
    chosen = [word for word in overrides if _options(word.partition("=")[0], paths)]
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


def _bare(text: str, paths: Sequence[str]) -> str | None:
    """Say what is wrong with a word without `=` that chooses from a group, or names one."""
    if options := _options(text, paths) if text.isidentifier() else []:
        takes = f"{text} is one of {', '.join(options)}"
        return f"{text!r} can't be read as KEY=VALUE: it has no =; {takes}"
    groups = [group for group, options in _groups(paths).items() if text in options]
    if not groups:
        return None
    words = " or ".join(f"{group}={text}" for group in groups)
    return f"{text!r} can't be read as KEY=VALUE: did you mean {words}?"


def _not_one(key: str, value: str, present: Any = 0) -> str:
    """Say what to do about a key that has several values and no `-m`.

    Args:
        key: a setting or a group.
        value: what was typed.
        present: the value that the configs give it.
    """
    said = f"{key}={value} names several values: add -m to run them one after another"
    if OmegaConf.is_list(present):
        return f"{said}, or take {key}=[{value}] for a list"
    if isinstance(present, str | None) and not re.search(r"['\"(]", value):
        return f"{said}; one text with a comma in it stands in quotes: '{key}=\"{value}\"'"
    return said


def _with_each(
    chosen: Mapping[str, Sequence[str]], known: Mapping[str, Any], paths: Sequence[str]
) -> list[dict[str, Mapping[str, Any]]]:
    """Give, for each group that is swept, the settings there are with each of its choices.

    Of the other groups the first choice counts, with which all settings are `known`.
    """
    found = []
    for group, (first, *more) in chosen.items():
        others = [words[0] for name, words in chosen.items() if name != group]
        if more:
            found.append({first: known, **{w: _known([*paths, *others, w]) for w in more}})
    return found


def _lacking(key: str, with_each: Sequence[Mapping[str, Mapping[str, Any]]]) -> str | None:
    """Say that a setting is there with some of the choices that are swept, and not with others."""
    for settings in with_each:
        having = [word for word, known in settings.items() if key in known]
        lacking = [word for word, known in settings.items() if known and key not in known]
        if having and lacking:
            return (
                f"{key} is a setting of {', '.join(having)} and not of {', '.join(lacking)}: "
                "sweep them one after the other"
            )
    return None


def _shortened(error: Exception) -> str:
    """Say what Hydra said, in a line."""
    absent = re.match(r"Could not (?:override|delete) '(.+?)'", str(error))
    if not absent:
        return first_line(error)
    if error.__cause__ is None:
        return f"{absent[1]} can't be chosen: no config chosen here has that part"
    return f"{absent[1]} can't be that: {first_line(error.__cause__)}"


def _values(override: Override) -> list[str]:
    """Give every value that an override takes in turn."""
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    return [override.get_value_element_as_str()]


def _wrong_choice(group: str, value: str, paths: Sequence[str]) -> str | None:
    """Say what is wrong with a choice from a group, if something is."""
    options = _options(group, paths)
    if value in options:
        return None
    if group == "logger" and value in _ALWAYS:
        return f"logger={value} can be left out: {_ALWAYS[value]} always written; logger adds one"
    return (
        f"{group}={value} is not to be had"
        f"{did_you_mean(value, options)}; {group} is one of {', '.join(options)}"
    )


_ALWAYS = {"tensorboard": "TensorBoard's records are", "csv": "metrics.csv is"}


def _options(group: str, paths: Sequence[str]) -> list[str]:
    """Give what there is to choose from; nothing where this is no group.

    Args:
        group: its name.
        paths: words that say where else there are configs.
    """
    if group == "hydra":
        return []
    with hydra_initialized() as loader:
        try:
            return loader.get_group_options(
                group, config_name=primary_config(), overrides=list(paths)
            )
        except REFUSALS:  # the paths are none
            return loader.get_group_options(group)


def _groups(paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Give the groups that a run chooses from, each with its options."""
    with hydra_initialized() as loader:
        names = loader.list_groups("")
    found = {name: tuple(_options(name, paths)) for name in names if name != "analysis"}
    return {name: options for name, options in found.items() if options}


def _named(known: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Give all that may have been meant by a key: settings, groups, and `resume`."""
    return {**known, **_groups(paths), "resume": None}


def _known(chosen: Sequence[str]) -> dict[str, Any]:
    """Give every setting there is with these choices; none if Hydra refuses them too."""
    try:
        with hydra_initialized():
            return settings_of(compose(primary_config(), list(chosen)))
    except REFUSALS:
        return {}


def settings_of(cfg: DictConfig) -> dict[str, Any]:
    """Give every key of a config, dotted, those of inner mappings too, each with what it holds."""
    found: dict[str, Any] = {}
    for key in cfg:
        if isinstance(key, str):
            inner = cfg._get_node(key)
            found[key] = inner._value() if isinstance(inner, ValueNode) else inner
            if isinstance(inner, DictConfig) and not inner._is_none():
                found |= {f"{key}.{name}": value for name, value in settings_of(inner).items()}
    return found
