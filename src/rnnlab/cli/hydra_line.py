"""A command line as Hydra reads it: options, and words that are settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from rnnlab.config.sources import BUILT_IN, ConfigSource
from rnnlab.errors import ConfigError

_SHOWN = ("help", "hydra_help", "cfg", "info", "shell_completion")
"""Options that show something, and run nothing."""

_REFUSED = {
    "config_path": "--config-path can't be set, for rnnlab needs its own configs: --config-dir DIR "
    "adds yours to them",
    "experimental_rerun": "--experimental-rerun can't be used: resume=RUNDIR goes on with a run",
}


@dataclass(frozen=True)
class Line:
    """What the words of a command line are.

    Attributes:
        options: those that are options, or belong to one; Hydra before 1.4 takes none of them
            after a setting.
        overrides: those that are settings.
        many: whether it begins a sweep.
        source: the configs that it selects.
        unknown: options that there are not, each with what was typed behind it.
    """

    options: list[str]
    overrides: list[str]
    many: bool
    source: ConfigSource = BUILT_IN
    unknown: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def read(cls, words: Sequence[str]) -> "Line":
        """Tell options and what belongs to them from settings.

        A named sweep is one without `-m`, too.

        Raises:
            ConfigError: an option can't be used, or has another value than it takes.
        """
        parser = get_args_parser()
        parser.error = _refuse  # type: ignore[method-assign]
        args, strange = parser.parse_known_intermixed_args(list(words))
        unknown = _unknown(words, strange)
        if refused := [said for key, said in _REFUSED.items() if getattr(args, key, None)]:
            raise ConfigError("\n".join(refused))
        directory = Path(args.config_dir) if args.config_dir else None
        source = ConfigSource(directory, args.config_name or ConfigSource.name)
        overrides = [word for word in args.overrides if not word.startswith("-")]
        options, rest = [], list(overrides)
        for word in words:
            if rest and word == rest[0]:
                rest.pop(0)
            else:
                options.append(word)
        shown = any(getattr(args, key, None) for key in _SHOWN)
        named = any(word.startswith("sweep=") for word in overrides)
        if named and not shown and not args.run:
            options = options if args.multirun else ["-m", *options]
            return cls(options, overrides, True, source, unknown)
        return cls(options, overrides, args.multirun, source, unknown)


def _refuse(message: str) -> NoReturn:
    raise ConfigError(message)


def _unknown(words: Sequence[str], strange: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """Give the options that nobody knows, each with what seems to be its value."""
    found: list[tuple[str, str | None]] = []
    for word, after in zip(words, [*words[1:], "-"], strict=True):
        if word not in strange or not word.startswith("-"):
            continue
        option, equals, value = word.partition("=")
        own = None if after.startswith("-") or "=" in after else after
        found.append((option, value if equals else own))
    return tuple(found)
