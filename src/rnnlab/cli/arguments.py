"""Arguments of the commands that use a run: `run=DIR`, their own keys, and settings of the run."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command_arguments
from rnnlab.config.build import check_values
from rnnlab.config.packages import allow_packages_of
from rnnlab.config.suggestions import did_you_mean, explain_argument
from rnnlab.errors import ConfigError
from rnnlab.spelling import printable

_ROOT = (
    "threads",
    "flush_denormals",
    "packages",
)  # root settings of a run that may be changed when it is used


def parse_arguments(
    usage: str,
    fields: Mapping[str, Any],
    defaults: Mapping[str, Any],
    choices: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[dict[str, Any], list[str]]:
    """Parse `sys.argv`.

    Args:
        usage: the text that `--help` prints.
        fields: the command's keys with their annotations, among them `run`, which is required.
        defaults: default values of the others.
        choices: annotations in place of those of `fields`, for tab completion.

    Returns:
        The values of the command's keys, and the overrides of the run's config.

    Raises:
        ConfigError: an argument is not `KEY=VALUE`, a value is invalid, or `run` is missing.
    """
    arguments = command_arguments(usage, Completions({**fields, **choices}))
    own: dict[str, Any] = dict(defaults)
    rest = []
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        key, equals, value = argument.partition("=")
        if argument.startswith("-") or not key or not equals:
            raise ConfigError(explain_argument(argument, after, list(fields)))
        if key in fields:
            own[key] = _read(value, fields[key])
        elif "." not in key and key not in _ROOT:
            raise ConfigError(
                f"{printable(key)} is not a setting{did_you_mean(key, [*fields, *_ROOT])}"
            )
        else:
            rest.append(argument)
    if "run" not in own:
        raise ConfigError("run=DIR is missing: the directory that training printed last")
    check_values(own, fields)
    allow_packages_of(rest)
    return own, rest


def pop_config_directory(arguments: list[str]) -> Path | None:
    """Remove `--config-dir DIR` from the arguments, and return the directory, if they have it.

    Raises:
        ConfigError: it has no value.
    """
    found = None
    for index, argument in reversed([*enumerate(arguments)]):
        option, equals, value = argument.partition("=")
        if option not in ("--config-dir", "-cd"):
            continue
        value = value if equals else "".join(arguments[index + 1 : index + 2])
        if not value:
            raise ConfigError(f"{option} takes a directory")
        del arguments[index : index + 2 - len(equals)]
        found = found or Path(value)  # the last one counts, as with rnnlab-train
    return found


def _read(value: str, kind: Any) -> Any:
    """Parse a value; of a key that takes text, a number stays text."""
    if kind is str or (kind == str | None and value != "null"):
        return value
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return {"null": None, "true": True, "false": False}.get(value, value)
