"""Settings as Python code gives them: texts, mappings and keyword arguments become overrides."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np

from rnnlab.config.overrides import format_value, parse_override
from rnnlab.errors import ConfigError

Settings = str | Iterable[str] | Mapping[str, Any]
"""A command line, a list of `KEY=VALUE`, or a mapping from key to value."""

_TAKES = "'model=lstm task=copy', ['model=lstm'], {'model': 'lstm'} or model='lstm'"


def as_overrides(
    given: Iterable[Settings], named: Mapping[str, Any], *, several: bool = False
) -> list[str]:
    """Return overrides as on a command line, those of positional arguments first.

    A text is a command line, split as a shell splits it; each element of a list is one override. A
    mapping or keyword argument has a value for each key, and may be nested. A value that is a text
    is read as on a command line, or as it stands where that is no value of Hydra's grammar.

    Args:
        given: positional arguments.
        named: keyword arguments.
        several: whether a list has a value for each job of a sweep; else it is one value.

    Raises:
        ConfigError: an argument or a value is of a type that is no setting.
    """
    overrides: list[str] = []
    for settings in given:
        if isinstance(settings, str):
            overrides += _words(settings)
        elif isinstance(settings, Mapping):
            overrides += _of_mapping(settings, several)
        elif isinstance(settings, Iterable) and not isinstance(settings, bytes | np.ndarray):
            overrides += map(_word, settings)
        else:
            raise ConfigError(f"settings must be given as {_TAKES}, got {_shown(settings)}")
    return overrides + list(_of_mapping(named, several))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:  # a quote that is not closed
        raise ConfigError(f"settings can't be split into words: {error} in {line!r}") from error


def _word(word: object) -> str:
    if not isinstance(word, str):
        raise ConfigError(f"a list of settings must hold texts KEY=VALUE, got {_shown(word)}")
    return word


def _of_mapping(settings: Mapping[str, Any], several: bool, path: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if not isinstance(key, str):
            raise ConfigError(f"a setting's key must be a text, got {_shown(key)}")
        name = f"{path}{key}"
        if isinstance(value, Mapping) and value and not key.startswith("+"):
            yield from _of_mapping(value, several, f"{name}.")
        elif several and isinstance(value, list | tuple | range | np.ndarray):
            if not len(value):
                raise ConfigError(f"{name} must have a value or more to sweep, got none")
            yield f"{name}={','.join(_value(name, each) for each in value)}"
        else:
            yield f"{name}={_value(name, value)}"


def _value(key: str, value: object) -> str:
    """Format a value so that Hydra parses it as the same value; a text that it can parse stays."""
    plain = _plain(key, value)
    if not isinstance(plain, str):
        return format_value(plain)
    try:
        parse_override(f"{key}={plain}")
    except ConfigError:
        return format_value(plain)
    return plain


def _plain(key: str, value: object) -> Any:
    """Convert a value to what overrides can hold.

    Raises:
        ConfigError: they can't hold it.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, PathLike):
        return str(fspath(value))
    if isinstance(value, list | tuple | range):
        return [_plain(key, each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(key, each) for name, each in value.items()}
    raise ConfigError(
        f"{key} must be a text, a number, True, False, None, a path, or a list or mapping of "
        f"these, got {_shown(value)}"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else f'{text[:57]}...'} ({type(value).__name__})"
