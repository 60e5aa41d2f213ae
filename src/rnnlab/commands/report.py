"""The report of a sweep: groups of runs aggregated over their seeds, with tables and pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from rnnlab.commands.arguments import user_path
from rnnlab.commands.sweep import Sweep
from rnnlab.errors import ConfigError
from rnnlab.process.untouched import process_untouched
from rnnlab.reports.charts import Format, PictureSettings
from rnnlab.reports.question import Question
from rnnlab.reports.report import Report, make_report
from rnnlab.reports.statistics import IntervalKind
from rnnlab.reports.table import read_table
from rnnlab.reports.terminal import terminal
from rnnlab.reports.write import group_rows, write
from rnnlab.runs.figures import Figures
from rnnlab.runs.frames import as_frame
from rnnlab.runs.html import text

Names = str | Sequence[str] | None


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written.

    Attributes:
        path: its directory, with `report.md`, tables as CSV and LaTeX, and the pictures.
        report: what was found, a section for each metric: groups, pivot, comparisons.
    """

    path: Path
    report: Report

    @property
    def table(self) -> Any:
        """A row for each metric of each group, as in `table.csv`.

        A `pandas.DataFrame` where pandas is installed, else a list of mappings.
        """
        sections = self.report.sections
        return as_frame([row for each in sections for row in group_rows(each.aggregate)])

    @property
    def figures(self) -> Figures:
        """The pictures: name -> path of a PNG file; a notebook shows them."""
        return Figures({path.stem: path for path in sorted(self.path.glob("*.png"))})

    def __str__(self) -> str:
        return terminal(self.report)

    def _repr_html_(self) -> str:
        return f"<pre>{text(self)}</pre>\n{self.figures._repr_html_()}"


@process_untouched()
def report(
    directory: Sweep | str | Path,
    *,
    metric: Names = None,
    target: float | None = None,
    over: str | Sequence[str] = "seed",
    compare: str | None = None,
    rows: Names = None,
    columns: Names = None,
    interval: IntervalKind = "bootstrap",
    x: str | None = None,
    format: str | Sequence[str] = "png",
    width: float | None = None,
    command: str | None = None,
) -> WrittenReport:
    """Aggregate the runs of a sweep over their seeds, and write `report` into its directory.

    Several names are a list, or one string with commas.

    Args:
        directory: a sweep, or any directory with runs below it.
        metric: one score or several, such as `accuracy` or `val/loss`; a name without a split is
            the test score, free running where that is scored. `None` is the one that chose the
            best weights.
        target: count the runs that reach it.
        over: the settings to aggregate over.
        compare: compare the values of this setting by runs that agree in all others; `None`
            compares each group with the best of its neighbours.
        rows: the settings whose values go down a table of two directions.
        columns: those whose values go across.
        interval: 95 % intervals of means by `bootstrap` (percentile) or `t` (Student's).
        x: the numeric setting to draw the metric against; `None` is the one with most values.
        format: pictures as `png`, `pdf` or `svg`.
        width: of pictures, in inches, for a page; `None` for slides.
        command: how the report was asked for, quoted in it; `None` is this call.

    Returns:
        The report: its tables, figures and statistics.

    Raises:
        ConfigError: there are no runs, an argument is wrong, or the directory can't be written to.

    Example:
        >>> rnnlab.report("outputs/sweeps/memory", target=0.99).table
    """
    place = directory.path if isinstance(directory, Sweep) else directory
    if not isinstance(place, str | Path):
        raise ConfigError(f"directory must be a sweep or a directory, got {place!r}")
    path = user_path(place)
    asked: dict[str, Any] = {
        "metric": metric,
        "target": target,
        "over": over,
        "compare": compare,
        "rows": rows,
        "columns": columns,
        "interval": interval,
        "x": x,
        "format": format,
        "width": width,
    }
    if found := problems(asked):
        raise ConfigError("\n".join(found))
    question = Question(
        metrics=_names(metric),
        target=None if target is None else float(target),
        over=_names(over),
        x=x,
        interval=interval,
        rows=None if rows is None else _names(rows),
        columns=None if columns is None else _names(columns),
        compare=compare,
    )
    formats: Any = _names(format)
    settings = PictureSettings(formats=formats, width=None if width is None else float(width))
    made = make_report(read_table(path), question)
    named = (f", {key}={value!r}" for key, value in asked.items() if value not in _DEFAULTS)
    line = command or f"rnnlab.report({str(path)!r}{''.join(named)})"
    write(made, path / "report", line, settings)
    return WrittenReport(path / "report", made)


def problems(asked: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with arguments of `report`, which may be text: a line each."""
    return [line for key, value in asked.items() for line in _problems(key, value)]


def _problems(key: str, value: Any) -> list[str]:
    if value is None:
        return []
    if key in _NUMBERS:
        low, high = _NUMBERS[key]
        takes = "a number" if math.isinf(high) else f"{low:g} to {high:g} inches"
        right = math.isfinite(_number(value)) and low <= _number(value) <= high
        return [] if right else [f"{key} must be {takes}, got {value!r}"]
    names = _names(value)
    if any(not isinstance(name, str) for name in names):
        return [f"{key} must be text, got {value!r}"]
    if not names:
        return [f"{key} must have a value, got nothing"]
    if key in _CHOICES:
        several = key == "interval" and len(names) > 1
        if several or not set(names) <= set(_CHOICES[key]):
            return [f"{key} must be one of {', '.join(_CHOICES[key])}, got {value!r}"]
    return []


_NUMBERS = {"target": (-math.inf, math.inf), "width": (1.0, 20.0)}
_CHOICES = {"interval": get_args(IntervalKind), "format": get_args(Format)}
_DEFAULTS = (None, "seed", "bootstrap", "png")


def _names(value: Any) -> list[Any]:
    """Return names, given as a list or as text with commas; `None` is no name."""
    if isinstance(value, str):
        return list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    return [] if value is None else list(value) if isinstance(value, Sequence) else [value]


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
