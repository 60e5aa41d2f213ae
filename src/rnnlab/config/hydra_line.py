"""Hydra's command line: options and overrides."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from rnnlab.config.sources import BUILT_IN, ConfigSource
from rnnlab.errors import ConfigError

_SHOWN = ("help", "hydra_help", "cfg", "info", "shell_completion")
"""Options that print something and run nothing."""

_REFUSED = {
    "config_path": "--config-path can't be set, for rnnlab needs its own configs: --config-dir DIR "
    "adds yours to them",
    "experimental_rerun": "--experimental-rerun can't be used: resume=RUNDIR goes on with a run",
}


@dataclass(frozen=True)
class Line:
    """A parsed command line.

    Attributes:
        options: options and their values, to be put before the overrides: Hydra before 1.4
            requires that.
        overrides: the overrides.
        many: whether it is a sweep.
        source: the configs that it selects.
        unknown: unknown options, each with the value that was typed after it.
    """

    options: list[str]
    overrides: list[str]
    many: bool
    source: ConfigSource = BUILT_IN
    unknown: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def read(cls, arguments: Sequence[str]) -> "Line":
        """Parse the arguments of a command; a named sweep (`sweep=NAME`) needs no `-m`.

        Raises:
            ConfigError: an option can't be used, or has an invalid value.
        """
        parser = get_args_parser()
        parser.error = _refuse  # type: ignore[method-assign]
        args, strange = parser.parse_known_intermixed_args(list(arguments))
        unknown = _unknown(arguments, strange)
        if refused := [error for key, error in _REFUSED.items() if getattr(args, key, None)]:
            raise ConfigError("\n".join(refused))
        directory = Path(args.config_dir) if args.config_dir else None
        source = ConfigSource(directory, args.config_name or ConfigSource.name)
        overrides = [word for word in args.overrides if not word.startswith("-")]
        options, rest = [], list(overrides)
        for argument in arguments:
            if rest and argument == rest[0]:
                rest.pop(0)
            else:
                options.append(argument)
        shown = any(getattr(args, key, None) for key in _SHOWN)
        named = any(word.startswith("sweep=") for word in overrides)
        if named and not shown and not args.run:
            options = options if args.multirun else ["-m", *options]
            return cls(options, overrides, True, source, unknown)
        return cls(options, overrides, args.multirun, source, unknown)


def _refuse(message: str) -> NoReturn:
    raise ConfigError(message)


def _unknown(
    arguments: Sequence[str], strange: Sequence[str]
) -> tuple[tuple[str, str | None], ...]:
    """Return the unknown options, each with the argument that seems to be its value."""
    found: list[tuple[str, str | None]] = []
    for argument, after in zip(arguments, [*arguments[1:], "-"], strict=True):
        if argument not in strange or not argument.startswith("-"):
            continue
        option, equals, value = argument.partition("=")
        own = None if after.startswith("-") or "=" in after else after
        found.append((option, value if equals else own))
    return tuple(found)
