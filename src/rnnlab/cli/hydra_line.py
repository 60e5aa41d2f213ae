"""A command line as Hydra reads it: options, and words that are settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra._internal.utils import get_args_parser

_SHOWN = ("help", "hydra_help", "cfg", "info", "shell_completion")
"""Options that show something, and run nothing."""


@dataclass(frozen=True)
class Line:
    """What the words of a command line are.

    Attributes:
        options: those that are options, or belong to one; Hydra before 1.4 takes none of them
            after a setting.
        overrides: those that are settings.
        many: whether it begins a sweep.
    """

    options: list[str]
    overrides: list[str]
    many: bool

    @classmethod
    def read(cls, words: Sequence[str]) -> "Line":
        """Tell options and what belongs to them from settings.

        A named sweep is one without `-m`, too.

        Raises:
            SystemExit: with Hydra's usage, for an option without its value.
        """
        args, _ = get_args_parser().parse_known_intermixed_args(list(words))
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
            return cls(options, overrides, True)
        return cls(options, overrides, args.multirun)
