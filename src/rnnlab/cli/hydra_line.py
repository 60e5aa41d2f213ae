"""A command line as Hydra reads it: options, and words that are settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.utils import get_args_parser

from rnnlab.errors import ConfigError
from rnnlab.sources import OURS, Place

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
        place: where configs are found.
    """

    options: list[str]
    overrides: list[str]
    many: bool
    place: Place = OURS

    @classmethod
    def read(cls, words: Sequence[str]) -> "Line":
        """Tell options and what belongs to them from settings.

        A named sweep is one without `-m`, too.

        Raises:
            ConfigError: an option can't be used.
            SystemExit: with Hydra's usage, for an option without its value.
        """
        args, _ = get_args_parser().parse_known_intermixed_args(list(words))
        if refused := [said for key, said in _REFUSED.items() if getattr(args, key, None)]:
            raise ConfigError("\n".join(refused))
        directory = Path(args.config_dir) if args.config_dir else None
        place = Place(directory, args.config_name or Place.name)
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
            return cls(options, overrides, True, place)
        return cls(options, overrides, args.multirun, place)
