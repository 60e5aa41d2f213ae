"""The words of a command that works on a run: `run=DIR`, its own keys, and settings of the run."""

import sys
from collections.abc import Mapping
from typing import Any

from rnnlab.config.build import check_values
from rnnlab.config.packages import allow_packages_of
from rnnlab.config.suggestions import did_you_mean, explain_argument
from rnnlab.errors import ConfigError
from rnnlab.process.output import say
from rnnlab.spelling import printable

_ROOT = ("threads", "packages")  # root settings of a run that may be given when it is used


def parse_arguments(
    usage: str, fields: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Read `sys.argv`; gives the command's own values and the words left over for the config.

    Args:
        usage: what `--help` prints.
        fields: the command's own keys with their annotations; `run` among them, and needed.
        defaults: their values when not given.

    Raises:
        ConfigError: a word is no `KEY=VALUE`, a value doesn't fit, or `run` is missing.
    """
    words = sys.argv[1:]
    if {"--help", "-h"} & set(words):
        say(usage.strip())
        sys.exit(0)
    own: dict[str, Any] = dict(defaults)
    rest = []
    for word, after in zip(words, [*words, ""][1:], strict=True):
        key, equals, value = word.partition("=")
        if word.startswith("-") or not key or not equals:
            raise ConfigError(explain_argument(word, after, list(fields)))
        if key in fields:
            own[key] = _read(value, fields[key])
        elif "." not in key and key not in _ROOT:
            raise ConfigError(
                f"{printable(key)} is not a setting{did_you_mean(key, [*fields, *_ROOT])}"
            )
        else:
            rest.append(word)
    if "run" not in own:
        raise ConfigError("run=DIR is missing: the directory that training printed last")
    check_values(own, fields)
    allow_packages_of(rest)
    return own, rest


def _read(value: str, kind: Any) -> Any:
    """Read a value; one that is to be a text is never taken for a number."""
    if kind is str or (kind == str | None and value != "null"):
        return value
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return {"null": None, "true": True, "false": False}.get(value, value)
