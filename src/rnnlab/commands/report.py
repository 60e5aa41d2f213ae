"""The report of a sweep: groups of runs aggregated over their seeds, with tables and pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnlab.commands.sweep import Sweep
from rnnlab.errors import ConfigError
from rnnlab.process.untouched import process_untouched
from rnnlab.reports.aggregate import Aggregate, aggregate_runs
from rnnlab.reports.charts import PICTURES
from rnnlab.reports.table import read_table
from rnnlab.reports.write import group_rows, terminal, write
from rnnlab.runs.figures import Figures
from rnnlab.runs.frames import as_frame
from rnnlab.runs.html import text


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written.

    Attributes:
        path: its directory, with `report.md`, `table.csv`, `runs.csv` and the pictures.
        aggregate: the groups of runs with their statistics.
    """

    path: Path
    aggregate: Aggregate

    @property
    def table(self) -> Any:
        """A row for each group, as in `table.csv`: settings, mean, interval, comparison.

        A `pandas.DataFrame` where pandas is installed, else a list of mappings.
        """
        return as_frame(group_rows(self.aggregate))

    @property
    def figures(self) -> Figures:
        """The pictures: name -> path of a PNG file; a notebook shows them."""
        paths = (self.path / name for name in PICTURES)
        return Figures({path.stem: path for path in paths if path.is_file()})

    def __str__(self) -> str:
        return terminal(self.aggregate)

    def _repr_html_(self) -> str:
        return f"<pre>{text(self)}</pre>\n{self.figures._repr_html_()}"


@process_untouched()
def report(
    directory: Sweep | str | Path,
    *,
    metric: str | None = None,
    target: float | None = None,
    over: str | Sequence[str] = "seed",
    x: str | None = None,
    command: str | None = None,
) -> WrittenReport:
    """Aggregate the runs of a sweep over their seeds, and write `report` into its directory.

    Args:
        directory: a sweep, or any directory with runs below it.
        metric: what is compared, such as `test/accuracy`; `None` is the test score of what chose
            the best weights, free running where that is scored.
        target: count the runs that reach it.
        over: the settings to aggregate over.
        x: the numeric setting to draw the metric against; `None` is the one with most values.
        command: how the report was asked for, quoted in it; `None` is this call.

    Returns:
        The report: its table, figures and statistics.

    Raises:
        ConfigError: there are no runs, an argument is wrong, or the directory can't be written to.

    Example:
        >>> rnnlab.report("outputs/sweeps/memory", target=0.99).table
    """
    place = directory.path if isinstance(directory, Sweep) else directory
    if not isinstance(place, str | Path):
        raise ConfigError(f"directory must be a sweep or a directory, got {place!r}")
    if target is not None and not math.isfinite(target):
        raise ConfigError(f"target must be a number, got {target}")
    path = Path(place).expanduser()
    aggregate = aggregate_runs(
        read_table(path),
        metric=metric,
        target=target,
        over=over.split(",") if isinstance(over, str) else list(over),
        x=x,
    )
    given = {"metric": metric, "target": target, "over": over, "x": x}
    named = (f", {key}={value!r}" for key, value in given.items() if value not in (None, "seed"))
    write(aggregate, path / "report", command or f"rnnlab.report({str(path)!r}{''.join(named)})")
    return WrittenReport(path / "report", aggregate)
