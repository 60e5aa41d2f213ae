"""`rnnlab-runs`: the runs below a directory, filtered and sorted."""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command, command_arguments
from rnnlab.config.suggestions import explain_argument
from rnnlab.errors import ConfigError
from rnnlab.process.output import note, say

if TYPE_CHECKING:
    from rnnlab.reports.listing import Filter, Listed, Listing

_DIRECTORY = "outputs"  # where runs are written by default
_LIMIT, _REASONS = 50, 10  # rows; reasons of failures
_NARROWEST = 60  # columns of a terminal for all but the run directory
_USAGE = f"""
rnnlab-runs: list the runs below a directory, with the settings in which they differ.

usage: rnnlab-runs [DIR] [KEY=VALUE ...] [sort=KEY] [metric=NAME] [limit=N] [--json]

  DIR           a directory with runs below it ({_DIRECTORY})
  KEY=VALUE     only runs of which this holds. KEY: model, task, state, run (the directory),
                started, seconds, score, any setting such as task.delay, any score such as
                test/accuracy. VALUE: one or several with commas between; * for any text. Also !=
                and, before numbers, < <= > >= (in quotes, since a shell reads them)
  sort=KEY      what to sort by; score: the best first; -KEY: downwards (-started, the newest first)
  metric=NAME   what the score is; by default the test score of what chose the best weights, free
                running where that is scored
  limit=N       how many rows ({_LIMIT}; with --json all)
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


@dataclass(frozen=True)
class _Request:
    """What the command line asks for."""

    directory: Path
    filters: "Sequence[Filter]"
    sort: str
    metric: str | None
    limit: int | None
    as_json: bool


def main() -> None:
    """Print the runs."""
    command("rnnlab-runs", _main)


def _main() -> None:
    keys = dict.fromkeys(("sort", "metric", "limit", "model", "task", "state"))
    completions = Completions(keys, lambda: ["--json"], directories=True)
    request = _parse(command_arguments(_USAGE, completions))

    from rnnlab.reports.listing import as_json, list_runs

    listing = list_runs(request.directory, request.filters, request.sort, request.metric)
    if request.as_json:
        chosen = [as_json(run, run.settings(listing.keys)) for run in listing.runs[: request.limit]]
        say(json.dumps(chosen, indent=1, ensure_ascii=False))
        return
    limit = _LIMIT if request.limit is None else request.limit
    if not listing.runs:
        note(f"none of the {listing.total} runs below {request.directory} is such a one")
        return
    say("\n".join(_table(listing, limit)))
    for line in _remarks(listing, limit):
        note(line)


def _parse(arguments: Sequence[str]) -> _Request:
    """Parse the arguments.

    Raises:
        ConfigError: a line for each problem.
    """
    from rnnlab.reports.listing import Filter

    own: dict[str, str] = {}
    paths, filters, problems, as_json = [], [], [], False
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        key, equals, value = argument.partition("=")
        if argument == "--json":
            as_json = True
        elif argument.startswith("-"):
            raise ConfigError(explain_argument(argument, after, ["sort", "metric", "limit"]))
        elif equals and key in ("sort", "metric", "limit"):
            own[key] = value
        elif os.path.exists(argument) or not any(sign in argument for sign in "=<>"):
            paths.append(argument)
        else:
            try:
                filters.append(Filter(argument))
            except ConfigError as error:
                problems.append(str(error))
    if len(paths) > 1:
        problems.append(f"it takes one directory with runs in it, got {len(paths)}")
    limit = own.get("limit")
    if limit is not None and not (limit.isdecimal() and int(limit)):
        problems.append(f"limit must be a whole number, 1 or more, got {limit!r}")
    if problems:
        raise ConfigError("\n".join(problems))
    return _Request(
        Path(paths[0] if paths else _DIRECTORY).expanduser(),
        filters,
        own.get("sort", "-started"),
        own.get("metric"),
        None if limit is None else int(limit),
        as_json,
    )


def _table(listing: "Listing", limit: int) -> list[str]:
    """Format the runs as aligned lines; the run directory comes last and is never cut."""
    from rnnlab.reports.layout import aligned

    runs = listing.runs[:limit]
    rows = [["model", "task", "settings", "state", "score", "", "seconds"]]
    rows += [_cells(run, listing.keys) for run in runs]
    paths = ["run", *(str(run.path) for run in runs)]
    width = sys.maxsize
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        width = max(_NARROWEST, columns - 2 - max(map(len, paths)))
    lines = aligned(rows, width)
    widest = max(map(len, lines))
    return [f"{line:{widest}}  {path}" for line, path in zip(lines, paths, strict=True)]


def _cells(run: "Listed", keys: Sequence[str]) -> list[str]:
    from rnnlab.reports.groups import format_value
    from rnnlab.reports.layout import number
    from rnnlab.reports.table import ABSENT

    names = (run.value(key) for key in ("model", "task"))
    model, task = ("" if name is ABSENT else str(name) for name in names)
    settings = (f"{key}={format_value(value)}" for key, value in run.settings(keys).items())
    seconds = run.source.card.get("seconds")
    return [
        *(model, task, " ".join(settings), run.state),
        "" if run.score is None else number(run.score),
        (run.score_name or "").removeprefix("test/"),
        "" if seconds is None else number(seconds),
    ]


def _remarks(listing: "Listing", limit: int) -> list[str]:
    """Return lines on the runs that have no results, and on those that are not shown."""
    reasons = [
        f"{run.path}: {run.source.record.failure}"
        for run in listing.runs[:limit]
        if run.state in ("failed", "diverged", "unreadable")
    ]
    lines = reasons[:_REASONS]
    if more := len(reasons) - len(lines):
        lines.append(f"... and {more} reasons more: --json has them all")
    if (more := len(listing.runs) - limit) > 0:
        lines.append(f"... and {more} runs more: limit={len(listing.runs)} shows them all")
    return lines
