"""The learning curves of one run, drawn with matplotlib."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rnnlab.config.suggestions import hint
from rnnlab.errors import ConfigError
from rnnlab.metric import base_name
from rnnlab.plots.decades import is_logarithmic
from rnnlab.plots.files import can_draw
from rnnlab.plots.palette import COLORS, GREY
from rnnlab.plots.style import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rnnlab.runs.run import Run

Rows = Sequence[Mapping[str, float]]

_LINES = {
    "train/": ("training", COLORS[0]),
    "val/": ("validation", COLORS[1]),
    "val/free_": ("validation, free running", COLORS[2]),
}
"""Prefix of a metric -> name and colour of its line."""


def draw(run: "Run", metrics: Sequence[str] = ()) -> "Figure":
    """Draw the learning curves of a run, as `Run.plot` describes.

    Raises:
        ConfigError: a metric was not logged, or matplotlib is not installed.
    """
    if not can_draw():
        raise ConfigError("plot needs matplotlib: pip install 'rnnlab[report]'")
    from matplotlib import rc_context

    from rnnlab.plots.notebook import NotebookFigure
    from rnnlab.plots.ticks import plain_ticks

    rows = run.rows
    chosen = _checked(metrics, rows) or _default(rows, str(run.config.monitor))
    ended = run.file("results.json").exists()
    results: Mapping[str, Any] = run.results if ended else {}
    with rc_context(STYLE):
        figure = NotebookFigure(figsize=(3 + 5.3 * len(chosen), 5), layout="constrained")
        panels = figure.subplots(1, len(chosen), squeeze=False)[0]
        for axes, metric in zip(panels, chosen, strict=True):
            _panel(axes, metric, rows, results)
        handles = {
            text: line
            for axes in panels
            for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles))
        choices = run.config.choices
        figure.suptitle(f"{choices.model} on {choices.task}", x=0.01, ha="left", size=16)
        plain_ticks(figure)
    return figure


def _panel(axes: "Axes", metric: str, rows: Rows, results: Mapping[str, Any]) -> None:
    drawn: list[float] = []
    best = results.get("best_step")
    for prefix, (label, color) in _LINES.items():
        points = list(_points(rows, prefix + metric))
        if not points:
            continue
        steps, values = zip(*points, strict=True)
        marker = "." if len(points) == 1 else ""
        axes.plot(steps, values, color=color, marker=marker, label=label)
        drawn += values
        if prefix != "train/" and best in steps:
            axes.plot(best, values[steps.index(best)], "o", color=color)
    floor = results.get("floor", {}).get(metric)
    if floor is not None and math.isfinite(floor):
        axes.axhline(floor, color=GREY, linestyle="--", linewidth=1.5, label="floor")
        drawn.append(floor)
    higher_is_better = results.get("higher_is_better", {}).get(metric, metric != "loss")
    if is_logarithmic(drawn, lower_is_better=not higher_is_better):
        axes.set_yscale("log")
    axes.set(title=metric.replace("_", " "), xlabel="updates")


def _points(rows: Rows, name: str) -> Iterator[tuple[int, float]]:
    """Yield the steps and finite values of a logged metric."""
    for row in rows:
        if math.isfinite(value := row.get(name, math.nan)):
            yield int(row["step"]), value


def _checked(metrics: Sequence[str], rows: Rows) -> list[str]:
    """Return metrics without split.

    Raises:
        ConfigError: one was not logged.
    """
    known = _logged(rows, ("train/", "val/"))
    for metric in map(base_name, metrics):
        if metric not in known:
            raise ConfigError(f"{metric} was not logged by this run{hint(metric, known)}")
    return list(dict.fromkeys(map(base_name, metrics)))


def _default(rows: Rows, monitor: str) -> list[str]:
    """Choose the loss, and what was monitored or another metric of the task.

    Raises:
        ConfigError: nothing was logged.
    """
    known = _logged(rows, ("val/",)) or _logged(rows, ("train/",))
    if not known:
        raise ConfigError("metrics.csv holds no metrics: the run didn't get so far")
    wanted = ["loss", base_name(monitor), *known]
    return [metric for metric in dict.fromkeys(wanted) if metric in known][:2]


def _logged(rows: Rows, prefixes: tuple[str, ...]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row if name.startswith(prefixes))
    return list(dict.fromkeys(map(base_name, names)))
