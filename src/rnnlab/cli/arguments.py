"""Arguments of the commands that use a run, and the option that several commands have."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command_arguments
from rnnlab.commands.arguments import split_words
from rnnlab.errors import ConfigError


def parse_arguments(
    usage: str,
    fields: Mapping[str, Any],
    defaults: Mapping[str, Any] = MappingProxyType({}),
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
    return split_words(arguments, fields, defaults)


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
