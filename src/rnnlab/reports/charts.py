"""The pictures of a sweep: the metric against swept settings, training curves, a heat map.

matplotlib, from `pip install 'rnnlab[report]'`, is imported only to draw.
"""

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnlab.metric import base_name
from rnnlab.plots.palette import COLORS, GREY
from rnnlab.plots.style import STYLE
from rnnlab.reports.aggregate import Aggregate, format_value, is_numeric, sort_key, value_of
from rnnlab.reports.curves import Curves
from rnnlab.reports.drawing import (
    caption,
    direction,
    draw_floor,
    draw_means,
    finish,
    floors_of,
    lay_out,
    mark_failures,
    scale_x,
    scale_y,
    spans_decades,
)
from rnnlab.reports.panels import (
    MOST_PANELS,
    Panel,
    arrange,
    choose_line,
    describe,
    first_lines,
    values_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = ("metric.png", "success.png", "curves.png", "heatmap.png")


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(
    aggregate: Aggregate, curves: Sequence[Mapping[str, Curves]], directory: Path
) -> list[str]:
    """Draw the pictures that apply to the sweep, and return their file names.

    Args:
        aggregate: the groups.
        curves: metric -> curves, of each group.
        directory: existing directory for the files.
    """
    from matplotlib import rc_context

    from rnnlab.plots.ticks import plain_ticks

    drawn: list[str] = []
    if not any(group.values for group in aggregate.groups):
        return drawn
    with rc_context(STYLE):
        figures = (
            _metric(aggregate),
            _success(aggregate),
            _learning(aggregate, curves),
            _heat_map(aggregate),
        )
        for name, figure in zip(PICTURES, figures, strict=True):
            if figure is not None:
                plain_ticks(figure)
                figure.savefig(directory / name)
                drawn.append(name)
    return drawn


def _metric(aggregate: Aggregate) -> "Figure":
    """Draw mean, interval and runs against x; without x by group; a random search as scatter."""
    if not aggregate.is_grid:
        return _scatter(aggregate)
    if aggregate.x is None:
        return _dots(aggregate)
    lines, panels = choose_line(aggregate, [key for key in aggregate.keys if key != aggregate.x])
    figure, subplots = lay_out(arrange(aggregate, lines, panels))
    values = [value for group in aggregate.groups for value in group.values.values()]
    for axes, panel in subplots:
        for line in panel.lines:
            draw_means(axes, line, aggregate.x)
        failing = [line for line in panel.lines if any(group.failures for group in line.groups)]
        for index, line in enumerate(failing):
            mark_failures(axes, line, aggregate.x, height=1.02 + 0.035 * index)
        groups = [group for line in panel.lines for group in line.groups]
        name = base_name(aggregate.metric)
        floors = draw_floor(axes, groups, name, aggregate.x, labelled=axes is subplots[0][0])
        scale_x(axes, [group.settings[aggregate.x] for group in groups])
        scale_y(axes, aggregate, [*values, *floors])
    title = caption(aggregate, "mean", "band: 95 % interval; dots: runs")
    if any(group.failures for group in aggregate.groups):
        title += "; \N{MULTIPLICATION SIGN}: some failed"
    finish(aggregate, figure, subplots, title, x=aggregate.x, y=aggregate.metric)
    return figure


def _success(aggregate: Aggregate) -> "Figure | None":
    """Draw the share of runs that reached the target, with Wilson's interval."""
    if aggregate.target is None or aggregate.x is None or not aggregate.is_grid:
        return None
    lines, panels = choose_line(aggregate, [key for key in aggregate.keys if key != aggregate.x])
    figure, subplots = lay_out(arrange(aggregate, lines, panels))
    columns = values_of(aggregate.groups, aggregate.x)
    for axes, panel in subplots:
        for index, line in enumerate(panel.lines):
            offset = 0.7 * ((index + 0.5) / len(panel.lines) - 0.5)
            xs = [columns.index(group.settings[aggregate.x]) + offset for group in line.groups]
            axes.plot(xs, [g.rate for g in line.groups], line.marker, color=line.color)
            low, high = zip(*(group.rate_interval for group in line.groups), strict=True)
            axes.vlines(xs, low, high, color=line.color, linewidth=2)
        axes.set_xticks(range(len(columns)), [format_value(value) for value in columns])
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.grid(False, axis="x")
    sign = (
        "\N{LESS-THAN OR EQUAL TO}" if aggregate.lower_is_better else "\N{GREATER-THAN OR EQUAL TO}"
    )
    title = f"runs with {aggregate.metric} {sign} {aggregate.target:g}; line: 95 % interval"
    finish(aggregate, figure, subplots, title, x=aggregate.x, y="share of runs", beside=False)
    return figure


def _learning(aggregate: Aggregate, curves: Sequence[Mapping[str, Curves]]) -> "Figure | None":
    """Draw training curves: median and quartiles over the runs of each group."""
    metric = aggregate.curve_metric
    if not any(value_of(by_metric, metric) for by_metric in curves):
        metric = aggregate.table.monitor
    of_group = {
        id(group): curve
        for group, by_metric in zip(aggregate.groups, curves, strict=True)
        if (curve := value_of(by_metric, metric)) is not None
    }
    if not of_group or not any(len(curve.steps) > 1 for curve in of_group.values()):
        return None
    others = [key for key in aggregate.keys if key != aggregate.x]
    title = caption(aggregate, "median and quartiles")
    if not aggregate.is_grid:
        shown = [Panel("", first_lines(aggregate))]
        title = f"the best: {title}"
    elif others and aggregate.x is not None:
        lines, panels = choose_line(aggregate, others)
        shown = arrange(aggregate, lines, [aggregate.x, *panels])
    else:
        shown = arrange(aggregate, *choose_line(aggregate, aggregate.keys))
    shown = [p for p in shown if any(id(g) in of_group for line in p.lines for g in line.groups)]
    figure, subplots = lay_out(shown)
    every = np.concatenate([curve.values.ravel() for curve in of_group.values()])
    for axes, panel in subplots:
        for line in panel.lines:
            for curve in (of_group[id(group)] for group in line.groups if id(group) in of_group):
                low, middle, high = np.percentile(curve.values, [25, 50, 75], axis=0)
                axes.plot(curve.steps, middle, color=line.color, label=line.label)
                axes.fill_between(curve.steps, low, high, color=line.color, alpha=0.2, linewidth=0)
        groups = [group for line in panel.lines for group in line.groups]
        floors = draw_floor(axes, groups, base_name(metric), None, labelled=axes is subplots[0][0])
        scale_y(axes, aggregate, [*every.tolist(), *floors])
        axes.margins(x=0)
    finish(aggregate, figure, subplots, title, x="updates", y=metric, marked=False)
    return figure


def _heat_map(aggregate: Aggregate) -> "Figure | None":
    """Draw the mean over two numeric settings, brighter where it is better."""
    numeric = [
        key for key in aggregate.keys if key != aggregate.x and is_numeric(aggregate.groups, key)
    ]
    if aggregate.x is None or not numeric or not aggregate.is_grid:
        return None
    from matplotlib.colors import LogNorm, Normalize

    y = max(numeric, key=lambda key: len(values_of(aggregate.groups, key)))
    rest = [key for key in aggregate.keys if key not in (aggregate.x, y)]
    columns, rows = (values_of(aggregate.groups, key) for key in (aggregate.x, y))
    figure, subplots = lay_out(arrange(aggregate, None, rest))
    means = [group.summary.mean for group in aggregate.groups if group.values]
    norm = (LogNorm if spans_decades(aggregate, means) else Normalize)(min(means), max(means))
    if norm.vmin == norm.vmax:
        return None
    size = 13 if len(subplots) == 1 else 12
    for axes, panel in subplots:
        grid = np.full((len(rows), len(columns)), math.nan)
        axes.grid(False)
        axes.set_facecolor("#EEEEEE")
        for group in panel.lines[0].groups:
            cell = rows.index(group.settings[y]), columns.index(group.settings[aggregate.x])
            grid[cell] = group.summary.mean
            if len(columns) * len(rows) <= 100:
                shade = norm(grid[cell]) if group.values else 0.5
                bright = shade < 0.5 if aggregate.lower_is_better else shade > 0.5
                text = f"{grid[cell]:.3g}" if group.values else "failed"
                color = "black" if bright or not group.values else "white"
                axes.text(*cell[::-1], text, ha="center", va="center", color=color, size=size)
        colors = "cividis_r" if aggregate.lower_is_better else "cividis"
        image = axes.imshow(grid, norm=norm, cmap=colors, origin="lower", aspect="auto")
        axes.set_xticks(range(len(columns)), [format_value(value) for value in columns])
        axes.set_yticks(range(len(rows)), [format_value(value) for value in rows])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=[axes for axes, _ in subplots], aspect=30, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    title = f"{aggregate.metric}, {direction(aggregate)}: {caption(aggregate, 'mean')}"
    finish(aggregate, figure, subplots, title, x=aggregate.x, y=y, labelled=False)
    return figure


def _dots(aggregate: Aggregate) -> "Figure":
    """Draw a row for each group, the best at the top; for sweeps without a numeric setting."""
    groups = sorted(
        (group for group in aggregate.groups if group.values),
        key=lambda group: group.summary.mean,
        reverse=aggregate.lower_is_better,
    )[-30:]
    figure, [(axes, _)] = lay_out([Panel("", [])], height=1.6 + 0.45 * len(groups))
    for row, group in enumerate(groups):
        values = list(group.values.values())
        axes.plot(values, [row] * len(values), "o", color=COLORS[0], alpha=0.3, markersize=6)
        axes.plot(group.summary.interval, [row, row], color=COLORS[0], solid_capstyle="butt")
        axes.plot(group.summary.mean, row, "o", color=COLORS[0], markersize=10)
    axes.set_yticks(range(len(groups)), [describe(aggregate, group) for group in groups])
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.grid(False, axis="y")
    floors = sorted(set(floors_of(groups, base_name(aggregate.metric))))
    if len(floors) == 1:
        axes.axvline(floors[0], color=GREY, linestyle="--", linewidth=1.5)
        axes.annotate(
            " floor", (floors[0], 1), xycoords=("data", "axes fraction"), color=GREY, size=13
        )
    values = [value for group in groups for value in group.values.values()]
    if spans_decades(aggregate, [*values, *floors]):
        axes.set_xscale("log")
    axes.set_xlabel(f"{aggregate.metric} ({direction(aggregate)})")
    title = caption(aggregate, "mean", "line: 95 % interval; dots: runs")
    figure.suptitle(title, x=0.01, ha="left", size=16)
    return figure


def _scatter(aggregate: Aggregate) -> "Figure":
    """Draw the metric against each setting, for settings that don't form a grid."""
    keys = [key for key in aggregate.keys if len(values_of(aggregate.groups, key)) > 1]
    figure, subplots = lay_out([Panel("", []) for _ in keys[:MOST_PANELS]])
    groups = [group for group in aggregate.groups if group.values]
    groups.sort(key=lambda group: [sort_key(group.settings[key]) for key in reversed(keys)])
    means = [group.summary.mean for group in groups]
    best = means.index((min if aggregate.lower_is_better else max)(means))
    for (axes, _), key in zip(subplots, keys, strict=False):
        xs: Any = [group.settings[key] for group in groups]
        if not is_numeric(aggregate.groups, key):
            xs = [format_value(x) for x in xs]
        axes.plot(xs, means, "o", color=COLORS[0], alpha=0.6)
        axes.plot(xs[best], means[best], "o", color=COLORS[1], markersize=11)
        if is_numeric(aggregate.groups, key):
            scale_x(axes, xs)
        scale_y(axes, aggregate, means)
        axes.set_xlabel(key)
    title = f"{len(groups)} settings, the best in orange ({means[best]:.4g})"
    finish(aggregate, figure, subplots, title, x=None, y=aggregate.metric, labelled=False)
    return figure
