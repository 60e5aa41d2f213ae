"""The runs below a directory, filtered and sorted."""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnlab.commands.arguments import user_path
from rnnlab.commands.sweep import Sweep
from rnnlab.errors import ConfigError
from rnnlab.process.untouched import process_untouched
from rnnlab.reports.groups import format_value
from rnnlab.reports.layout import aligned, number
from rnnlab.reports.listing import Filter, Listed, Listing, as_json, list_runs
from rnnlab.reports.table import ABSENT
from rnnlab.runs.frames import as_frame
from rnnlab.runs.html import table, text
from rnnlab.runs.run import Run

DIRECTORY = "outputs"
"""Where runs are written by default."""

_SHOWN = 40  # rows in a notebook
_NARROWEST = 60  # columns of a terminal for all but the run directory
_HEADING = ("model", "task", "settings", "state", "score", "", "seconds")


@dataclass(frozen=True)
class FoundRuns:
    """The runs that `find_runs` has found, in their order.

    Attributes:
        directory: the directory that they are below.
        listing: the runs as read, and jobs of sweeps that failed before they had a directory.
    """

    directory: Path
    listing: Listing

    @property
    def runs(self) -> list[Run]:
        """The runs; of those that failed or are damaged, too, what is there can be read."""
        found = (listed.source.record.run for listed in self.listing.runs)
        return [run for run in found if run is not None]

    @property
    def table(self) -> Any:
        """A row for each run: directory, model, task, state, settings that differ, all scores.

        A `pandas.DataFrame` where pandas is installed, else a list of mappings.
        """
        return as_frame([_flat(row) for row in self.rows])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The same as `rnnlab-runs --json` prints it: `settings` and `scores` are mappings."""
        listed = self.listing
        return [as_json(run, run.settings(listed.keys)) for run in listed.runs]

    def lines(self, limit: int | None = None, width: int = sys.maxsize) -> list[str]:
        """Format the runs as aligned lines; the run directory comes last and is never cut.

        Args:
            limit: most runs; `None` is all.
            width: characters of a line, where that is possible.
        """
        runs = self.listing.runs[:limit]
        paths = ["run", *(str(run.path) for run in runs)]
        room = max(_NARROWEST, width - 2 - max(map(len, paths)))
        lines = aligned([_HEADING, *(_cells(run, self.listing.keys) for run in runs)], room)
        widest = max(map(len, lines))
        return [f"{line:{widest}}  {path}" for line, path in zip(lines, paths, strict=True)]

    def __len__(self) -> int:
        return len(self.listing.runs)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        runs = self.listing.runs[:_SHOWN]
        rows = [[*_cells(run, self.listing.keys), str(run.path)] for run in runs]
        more = f"<p>and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        title = f"{len(self)} of {self.listing.total} runs below {self.directory}"
        return f"<p><b>{text(title)}</b></p>\n{table([[*_HEADING, 'run'], *rows])}{more}"


@process_untouched()
def find_runs(
    directory: Sweep | str | Path = DIRECTORY,
    *conditions: str | Sequence[str],
    sort: str = "-started",
    metric: str | None = None,
    **named: Any,
) -> FoundRuns:
    """Find the runs below a directory that meet conditions, as `rnnlab-runs` does.

    Args:
        directory: a sweep, or any directory with runs below it.
        *conditions: what must hold, as on a command line: `"task=copy model=gru,lstm"`,
            `"test/accuracy>0.99"`, also with `!=`, `<`, `<=`, `>=`, and `*` for any text; or a list
            with one condition each.
        sort: the key to sort by: a setting, a score, `started`, `seconds`, or `score`, which puts
            the best first; with `-` before it downwards.
        metric: what `score` is; `None` is the test score of what chose the best weights, free
            running where that is scored.
        **named: conditions on equality, `model="gru"`, or `model=["gru", "lstm"]` for one of them.

    Returns:
        The runs, and a table of them. Runs that failed or are damaged are among them.

    Raises:
        ConfigError: there are no runs, a condition can't be read, or no run has such a key.

    Example:
        >>> found = rnnlab.find_runs(task="copy", model=["gru", "lstm"], sort="score")
        >>> found.runs[0].plot()
        >>> rnnlab.find_runs("outputs/sweeps/memory", "test/accuracy>0.99").table
    """
    place = directory.path if isinstance(directory, Sweep) else directory
    if not isinstance(place, str | Path):
        raise ConfigError(f"directory must be a sweep or a directory, got {place!r}")
    filters, problems = [], []
    for condition in _conditions(conditions, named):
        try:
            filters.append(Filter(condition))
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    path = user_path(place)
    return FoundRuns(path, list_runs(path, filters, sort, metric))


def _conditions(given: Sequence[str | Sequence[str]], named: Mapping[str, Any]) -> Iterator[str]:
    for each in given:
        try:
            yield from shlex.split(each) if isinstance(each, str) else each
        except ValueError as error:  # a quote that is not closed
            raise ConfigError(f"{each!r} can't be split into conditions: {error}") from error
    for key, value in named.items():
        values = value if isinstance(value, list | tuple | range) else [value]
        yield f"{key}={','.join(_value(each) for each in values)}"


def _value(value: Any) -> str:
    """Return a value as a command line has it."""
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Put the settings and scores of a row beside its other cells."""
    plain = {key: value for key, value in row.items() if key not in ("settings", "scores")}
    return {**plain, **row["settings"], **row["scores"]}


def _cells(run: Listed, keys: Sequence[str]) -> list[str]:
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
