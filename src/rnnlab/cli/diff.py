"""`rnnlab-diff`: comparison of two runs."""

import os
import sys
from typing import Literal

from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command, command_arguments
from rnnlab.config.suggestions import did_you_mean, explain_argument
from rnnlab.errors import ConfigError
from rnnlab.process.output import say

_USAGE = """
rnnlab-diff: say in which settings, versions and results two runs differ.

usage: rnnlab-diff RUN1 RUN2 [only=PART,...]

  RUN1, RUN2    directories that training printed last
  only=PART     some of settings, versions, fingerprint, results, curve, weights, which are all

Examples
  rnnlab-diff outputs/copy/lstm/2026-01-01_12-00-00-abc123 \\
              outputs/copy/gru/2026-01-01_12-30-00-def456
  rnnlab-diff RUN1 RUN2 only=settings,versions

Weights are those of checkpoints/best.ckpt. Where a run lies, who started it when and how, and what
it cost make no difference. Exit status: 0 they are the same, 1 they differ, 2 a mistake.
"""


def main() -> None:
    """Compare two runs, and print the differences."""
    command("rnnlab-diff", _main)


def _main() -> None:
    from rnnlab.runs.diff import PARTS, compare

    fields = {"only": Literal[tuple(PARTS)]}
    arguments = command_arguments(_USAGE, Completions(fields, directories=True))
    from rnnlab.runs.format_diff import format_diff
    from rnnlab.runs.run import Run

    chosen, paths, problems = list(PARTS), [], []
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        key, equals, value = argument.partition("=")
        if argument.startswith("-"):
            raise ConfigError(explain_argument(argument, after, ["only"]))
        if not equals or os.path.exists(argument):
            paths.append(argument)
        elif key == "only":
            chosen = value.split(",")
        else:
            problems.append(f"{key} is not a setting{did_you_mean(key, ['only'])}")
    for name in chosen:
        if name not in PARTS:
            hint = did_you_mean(name, list(PARTS)) or f": it takes {', '.join(PARTS)}"
            problems.append(f"only={name} is no part of a run{hint}")
    if len(paths) != 2:
        problems.append(f"it takes two directories of runs, got {len(paths)}")
    runs = []
    for path in paths:
        try:
            runs.append(Run.load(path))
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    first, second = runs
    sections = compare(first, second, [name for name in PARTS if name in chosen])
    say(format_diff(first, second, sections))
    if any(section.differs for section in sections):
        sys.exit(1)
