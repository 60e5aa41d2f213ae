"""A sweep's pictures: the metric against what was swept, curves of training, a heat map.

matplotlib comes with `pip install 'rnnlab[report]'` and is imported here and in `drawing.py`, when
there is something to draw.
"""

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnlab.metric import plain
from rnnlab.plots.palette import COLORS, GREY
from rnnlab.plots.style import STYLE
from rnnlab.report.aggregate import Analysis, is_numeric, rank, spell, value_of
from rnnlab.report.curves import Curves
from rnnlab.report.drawing import (
    caption,
    direction,
    draw_floor,
    draw_means,
    finish,
    floors_of,
    mark_failures,
    scale_x,
    scale_y,
    slide,
    spans_decades,
)
from rnnlab.report.panels import (
    MOST_PANELS,
    Panel,
    arrange,
    best_lines,
    describe,
    split,
    values_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = ("metric.png", "success.png", "curves.png", "heatmap.png")


def can_draw() -> bool:
    """Tell whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(analysis: Analysis, curves: Sequence[Mapping[str, Curves]], directory: Path) -> list[str]:
    """Draw all that there is to draw; gives the names of the pictures.

    Args:
        analysis: the groups.
        curves: of each group.
        directory: where to; it is there.
    """
    from matplotlib import rc_context

    from rnnlab.plots.ticks import plain_ticks

    drawn: list[str] = []
    if not any(group.values for group in analysis.groups):
        return drawn
    with rc_context(STYLE):
        figures = (
            _metric(analysis),
            _success(analysis),
            _learning(analysis, curves),
            _heat_map(analysis),
        )
        for name, figure in zip(PICTURES, figures, strict=True):
            if figure is not None:
                plain_ticks(figure)
                figure.savefig(directory / name)
                drawn.append(name)
    return drawn


def _metric(analysis: Analysis) -> "Figure":
    """Draw the mean with its interval and each run: against x, for each group, or scattered."""
    if not analysis.is_grid:
        return _scatter(analysis)
    if analysis.x is None:
        return _dots(analysis)
    lines, panels = split(analysis, [key for key in analysis.keys if key != analysis.x])
    figure, places = slide(arrange(analysis, lines, panels))
    values = [value for group in analysis.groups for value in group.values.values()]
    for axes, panel in places:
        for line in panel.lines:
            draw_means(axes, line, analysis.x)
        failing = [line for line in panel.lines if any(group.failures for group in line.groups)]
        for index, line in enumerate(failing):
            mark_failures(axes, line, analysis.x, height=1.02 + 0.035 * index)
        groups = [group for line in panel.lines for group in line.groups]
        name = plain(analysis.metric)
        floors = draw_floor(axes, groups, name, analysis.x, named=axes is places[0][0])
        scale_x(axes, [group.settings[analysis.x] for group in groups])
        scale_y(axes, analysis, [*values, *floors])
    title = caption(analysis, "mean", "band: 95 % interval; dots: runs")
    if any(group.failures for group in analysis.groups):
        title += "; \N{MULTIPLICATION SIGN}: some failed"
    finish(analysis, figure, places, title, x=analysis.x, y=analysis.metric)
    return figure


def _success(analysis: Analysis) -> "Figure | None":
    """Draw the share of runs that came to the target, with Wilson's interval."""
    if analysis.target is None or analysis.x is None or not analysis.is_grid:
        return None
    lines, panels = split(analysis, [key for key in analysis.keys if key != analysis.x])
    figure, places = slide(arrange(analysis, lines, panels))
    columns = values_of(analysis.groups, analysis.x)
    for axes, panel in places:
        for index, line in enumerate(panel.lines):
            beside = 0.7 * ((index + 0.5) / len(panel.lines) - 0.5)
            xs = [columns.index(group.settings[analysis.x]) + beside for group in line.groups]
            axes.plot(xs, [g.rate for g in line.groups], line.marker, color=line.color)
            low, high = zip(*(group.rate_interval for group in line.groups), strict=True)
            axes.vlines(xs, low, high, color=line.color, linewidth=2)
        axes.set_xticks(range(len(columns)), [spell(value) for value in columns])
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.grid(False, axis="x")
    sign = "\N{LESS-THAN OR EQUAL TO}" if analysis.lower else "\N{GREATER-THAN OR EQUAL TO}"
    title = f"runs with {analysis.metric} {sign} {analysis.target:g}; line: 95 % interval"
    finish(analysis, figure, places, title, x=analysis.x, y="share of runs", beside=False)
    return figure


def _learning(analysis: Analysis, curves: Sequence[Mapping[str, Curves]]) -> "Figure | None":
    """Draw training: the median over the runs of a group, and their quartiles."""
    metric = analysis.curve_metric
    if not any(value_of(found, metric) for found in curves):
        metric = analysis.table.monitor
    of_group = {
        id(group): curve
        for group, found in zip(analysis.groups, curves, strict=True)
        if (curve := value_of(found, metric)) is not None
    }
    if not of_group or not any(len(curve.steps) > 1 for curve in of_group.values()):
        return None
    others = [key for key in analysis.keys if key != analysis.x]
    title = caption(analysis, "median and quartiles")
    if not analysis.is_grid:
        shown = [Panel("", best_lines(analysis))]
        title = f"the best: {title}"
    elif others and analysis.x is not None:
        lines, panels = split(analysis, others)
        shown = arrange(analysis, lines, [analysis.x, *panels])
    else:
        shown = arrange(analysis, *split(analysis, analysis.keys))
    shown = [p for p in shown if any(id(g) in of_group for line in p.lines for g in line.groups)]
    figure, places = slide(shown)
    every = np.concatenate([curve.values.ravel() for curve in of_group.values()])
    for axes, panel in places:
        for line in panel.lines:
            for curve in (of_group[id(group)] for group in line.groups if id(group) in of_group):
                low, middle, high = np.percentile(curve.values, [25, 50, 75], axis=0)
                axes.plot(curve.steps, middle, color=line.color, label=line.label)
                axes.fill_between(curve.steps, low, high, color=line.color, alpha=0.2, linewidth=0)
        groups = [group for line in panel.lines for group in line.groups]
        floors = draw_floor(axes, groups, plain(metric), None, named=axes is places[0][0])
        scale_y(axes, analysis, [*every.tolist(), *floors])
        axes.margins(x=0)
    finish(analysis, figure, places, title, x="updates", y=metric, marked=False)
    return figure


def _heat_map(analysis: Analysis) -> "Figure | None":
    """Draw the mean over two numeric settings, brighter where it is better."""
    numeric = [
        key for key in analysis.keys if key != analysis.x and is_numeric(analysis.groups, key)
    ]
    if analysis.x is None or not numeric or not analysis.is_grid:
        return None
    from matplotlib.colors import LogNorm, Normalize

    y = max(numeric, key=lambda key: len(values_of(analysis.groups, key)))
    rest = [key for key in analysis.keys if key not in (analysis.x, y)]
    columns, rows = (values_of(analysis.groups, key) for key in (analysis.x, y))
    figure, places = slide(arrange(analysis, None, rest))
    means = [group.summary.mean for group in analysis.groups if group.values]
    norm = (LogNorm if spans_decades(analysis, means) else Normalize)(min(means), max(means))
    if norm.vmin == norm.vmax:
        return None
    cells, size = len(columns) * len(rows), 13 if len(places) == 1 else 12
    for axes, panel in places:
        grid = np.full((len(rows), len(columns)), math.nan)
        axes.grid(False)
        axes.set_facecolor("#EEEEEE")
        for group in panel.lines[0].groups:
            place = rows.index(group.settings[y]), columns.index(group.settings[analysis.x])
            grid[place] = group.summary.mean
            if cells <= 100:
                shade = norm(grid[place]) if group.values else 0.5
                bright = shade < 0.5 if analysis.lower else shade > 0.5
                said = f"{grid[place]:.3g}" if group.values else "failed"
                color = "black" if bright or not group.values else "white"
                axes.text(*place[::-1], said, ha="center", va="center", color=color, size=size)
        colors = "cividis_r" if analysis.lower else "cividis"
        image = axes.imshow(grid, norm=norm, cmap=colors, origin="lower", aspect="auto")
        axes.set_xticks(range(len(columns)), [spell(value) for value in columns])
        axes.set_yticks(range(len(rows)), [spell(value) for value in rows])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=[axes for axes, _ in places], aspect=30, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    title = f"{analysis.metric}, {direction(analysis)}: {caption(analysis, 'mean')}"
    finish(analysis, figure, places, title, x=analysis.x, y=y, labelled=False)
    return figure


def _dots(analysis: Analysis) -> "Figure":
    """Draw a row a group, the best above; for settings that are no numbers."""
    groups = sorted(
        (group for group in analysis.groups if group.values),
        key=lambda group: group.summary.mean,
        reverse=analysis.lower,
    )[-30:]
    figure, [(axes, _)] = slide([Panel("", [])], height=1.6 + 0.45 * len(groups))
    for row, group in enumerate(groups):
        values = list(group.values.values())
        axes.plot(values, [row] * len(values), "o", color=COLORS[0], alpha=0.3, markersize=6)
        axes.plot(group.summary.interval, [row, row], color=COLORS[0], solid_capstyle="butt")
        axes.plot(group.summary.mean, row, "o", color=COLORS[0], markersize=10)
    axes.set_yticks(range(len(groups)), [describe(analysis, group) for group in groups])
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.grid(False, axis="y")
    floors = sorted(set(floors_of(groups, plain(analysis.metric))))
    if len(floors) == 1:
        axes.axvline(floors[0], color=GREY, linestyle="--", linewidth=1.5)
        axes.annotate(
            " floor", (floors[0], 1), xycoords=("data", "axes fraction"), color=GREY, size=13
        )
    values = [value for group in groups for value in group.values.values()]
    if spans_decades(analysis, [*values, *floors]):
        axes.set_xscale("log")
    axes.set_xlabel(f"{analysis.metric} ({direction(analysis)})")
    title = caption(analysis, "mean", "line: 95 % interval; dots: runs")
    figure.suptitle(title, x=0.01, ha="left", size=16)
    return figure


def _scatter(analysis: Analysis) -> "Figure":
    """Draw the metric against each setting, for a search whose settings don't form a grid."""
    keys = [key for key in analysis.keys if len(values_of(analysis.groups, key)) > 1]
    figure, places = slide([Panel("", []) for _ in keys[:MOST_PANELS]])
    groups = [group for group in analysis.groups if group.values]
    groups.sort(key=lambda group: [rank(group.settings[key]) for key in reversed(keys)])
    means = [group.summary.mean for group in groups]
    best = means.index((min if analysis.lower else max)(means))
    for (axes, _), key in zip(places, keys, strict=False):
        xs: Any = [group.settings[key] for group in groups]
        if not is_numeric(analysis.groups, key):
            xs = [spell(x) for x in xs]
        axes.plot(xs, means, "o", color=COLORS[0], alpha=0.6)
        axes.plot(xs[best], means[best], "o", color=COLORS[1], markersize=11)
        if is_numeric(analysis.groups, key):
            scale_x(axes, xs)
        scale_y(axes, analysis, means)
        axes.set_xlabel(key)
    title = f"{len(groups)} settings, the best in orange ({means[best]:.4g})"
    finish(analysis, figure, places, title, x=None, y=analysis.metric, labelled=False)
    return figure
