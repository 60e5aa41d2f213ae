"""`rnnlab-runs`: the runs below a directory, filtered and sorted."""

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command, command_arguments
from rnnlab.config.suggestions import explain_argument
from rnnlab.errors import ConfigError
from rnnlab.process.output import note, say

if TYPE_CHECKING:
    from rnnlab.commands.runs import FoundRuns

_LIMIT, _REASONS = 50, 10  # rows; reasons of failures
_USAGE = """
rnnlab-runs: list the runs below a directory, with the settings in which they differ.

usage: rnnlab-runs [DIR] [KEY=VALUE ...] [sort=KEY] [metric=NAME] [limit=N] [--json]

  DIR           a directory with runs below it (outputs)
  KEY=VALUE     only runs of which this holds. KEY: model, task, state, run (the directory),
                started, seconds, score, any setting such as task.delay, any score such as
                test/accuracy. VALUE: one or several with commas between; * for any text. Also !=
                and, before numbers, < <= > >= (in quotes, since a shell reads them)
  sort=KEY      what to sort by; score: the best first; -KEY: downwards (-started, the newest first)
  metric=NAME   what the score is; by default the test score of what chose the best weights, free
                running where that is scored
  limit=N       how many rows (50; with --json all)
  --json        a JSON array, an object a run, with all its scores

Examples
  rnnlab-runs
  rnnlab-runs outputs/sweeps/memory model=lstm,gru sort=score
  rnnlab-runs task=copy 'test/accuracy>0.99' sort=seconds limit=5
  rnnlab-runs state=failed,diverged,unreadable
  rnnlab-runs task=next_* --json

State: finished, interrupted, pruned, diverged, failed; running: it is being trained, or was killed;
begun: training has not started; unreadable: its files are damaged.
"""


def main() -> None:
    """Print the runs."""
    command("rnnlab-runs", _main)


def _main() -> None:
    keys = dict.fromkeys(("sort", "metric", "limit", "model", "task", "state"))
    completions = Completions(keys, lambda: ["--json"], directories=True)
    directory, conditions, own = _parse(command_arguments(_USAGE, completions))
    limit, as_json = own.pop("limit", None), own.pop("json", False)

    from rnnlab.commands.runs import DIRECTORY, find_runs

    found = find_runs(directory or DIRECTORY, conditions, **own)
    if as_json:
        say(json.dumps(found.rows[:limit], indent=1, ensure_ascii=False))
        return
    if not len(found):
        note(f"none of the {found.listing.total} runs below {found.directory} is such a one")
        return
    limit = limit or _LIMIT
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    say("\n".join(found.lines(limit, columns)))
    for line in _remarks(found, limit):
        note(line)


def _parse(arguments: Sequence[str]) -> tuple[str | None, list[str], dict[str, Any]]:
    """Parse the arguments.

    Returns:
        The directory, `None` if none is given; the conditions; the values of the keys.

    Raises:
        ConfigError: a line for each problem.
    """
    from rnnlab.reports.listing import Filter

    own: dict[str, Any] = {}
    paths, conditions, problems = [], [], []
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        key, equals, value = argument.partition("=")
        if argument == "--json":
            own["json"] = True
        elif argument.startswith("-"):
            raise ConfigError(explain_argument(argument, after, ["sort", "metric", "limit"]))
        elif equals and key == "limit" and not re.fullmatch(r"0*[1-9]\d{0,17}", value):
            problems.append(f"limit must be a whole number, 1 or more, got {value!r}")
        elif equals and key in ("sort", "metric", "limit"):
            own[key] = int(value) if key == "limit" else value
        elif os.path.exists(argument) or not any(sign in argument for sign in "=<>"):
            paths.append(argument)
        else:
            try:
                conditions.append(Filter(argument).text)
            except ConfigError as error:
                problems.append(str(error))
    if len(paths) > 1:
        problems.append(f"it takes one directory with runs in it, got {len(paths)}")
    if problems:
        raise ConfigError("\n".join(problems))
    return next(iter(paths), None), conditions, own


def _remarks(found: "FoundRuns", limit: int) -> list[str]:
    """Return lines on the runs that have no results, and on those that are not shown."""
    runs = found.listing.runs
    reasons = [
        f"{run.path}: {run.source.record.failure}"
        for run in runs[:limit]
        if run.state in ("failed", "diverged", "unreadable")
    ]
    lines = reasons[:_REASONS]
    if more := len(reasons) - len(lines):
        lines.append(f"... and {more} reasons more: --json has them all")
    if (more := len(runs) - limit) > 0:
        lines.append(f"... and {more} runs more: limit={len(runs)} shows them all")
    return lines
