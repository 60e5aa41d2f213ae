"""The mean over two numeric settings, as a heat map."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnlab.metric import words
from rnnlab.plots.decades import is_logarithmic
from rnnlab.plots.size import points
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.drawing import caption, direction, finish, lay_out
from rnnlab.reports.groups import RunGroup, format_value, is_numeric, values_of
from rnnlab.reports.panels import arrange, of_several_tasks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


def draw_heat_map(aggregate: Aggregate, width: float | None) -> "Figure | None":
    """Draw the mean over two numeric settings, brighter where it is better."""
    numeric = [
        key for key in aggregate.keys if key != aggregate.x and is_numeric(aggregate.groups, key)
    ]
    if aggregate.x is None or not numeric or not aggregate.is_grid:
        return None
    y = max(numeric, key=lambda key: len(values_of(aggregate.groups, key)))
    rest = [key for key in aggregate.keys if key not in (aggregate.x, y)]
    panels = arrange(aggregate, None, rest)
    apart = of_several_tasks(panels)
    scales = [_color_scale(aggregate, panel.lines[0].groups) for panel in panels]
    whole = _color_scale(aggregate, aggregate.groups)
    if whole is None:
        return None
    figure, subplots = lay_out(panels, width=width)
    for (axes, panel), own in zip(subplots, scales, strict=True):
        norm = (own or whole) if apart else whole
        image = _draw_cells(axes, aggregate, panel.lines[0].groups, y, norm)
        if apart:
            _add_color_bar(figure, image, [axes])
    if not apart:
        _add_color_bar(figure, image, [axes for axes, _ in subplots])
    name = words(aggregate.metric)
    title = f"{name}, {direction(aggregate)}: {caption(aggregate, 'mean')}"
    x, y = aggregate.in_words(aggregate.x), aggregate.in_words(y)
    finish(aggregate, figure, subplots, title, x=x, y=y, labelled=False)
    return figure


def _color_scale(aggregate: Aggregate, groups: Sequence[RunGroup]) -> "Normalize | None":
    """Return a scale from the lowest to the highest mean, `None` if all are equal."""
    from matplotlib.colors import LogNorm, Normalize

    means = [group.summary.mean for group in groups if group.values]
    if not means or min(means) == max(means):
        return None
    logarithmic = is_logarithmic(means, lower_is_better=aggregate.lower_is_better)
    return (LogNorm if logarithmic else Normalize)(min(means), max(means))


def _draw_cells(
    axes: "Axes", aggregate: Aggregate, groups: Sequence[RunGroup], y: str, norm: "Normalize"
) -> "AxesImage":
    """Draw a cell for each pair of values of x and y, with its mean."""
    assert aggregate.x is not None
    columns, rows = (values_of(aggregate.groups, key) for key in (aggregate.x, y))
    grid = np.full((len(rows), len(columns)), math.nan)
    axes.grid(False)
    axes.set_facecolor("#EEEEEE")
    for group in groups:
        cell = rows.index(group.settings[y]), columns.index(group.settings[aggregate.x])
        grid[cell] = group.summary.mean
        if len(columns) * len(rows) <= 100:
            shade = norm(grid[cell]) if group.values else 0.5
            bright = shade < 0.5 if aggregate.lower_is_better else shade > 0.5
            text = f"{grid[cell]:.3g}" if group.values else "failed"
            color = "black" if bright or not group.values else "white"
            size = points(12)
            axes.text(*cell[::-1], text, ha="center", va="center", color=color, size=size)
    colors = "cividis_r" if aggregate.lower_is_better else "cividis"
    image = axes.imshow(grid, norm=norm, cmap=colors, origin="lower", aspect="auto")
    axes.set_xticks(range(len(columns)), [format_value(value) for value in columns])
    axes.set_yticks(range(len(rows)), [format_value(value) for value in rows])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image


def _add_color_bar(figure: "Figure", image: "AxesImage", axes: "Sequence[Axes]") -> None:
    bar = figure.colorbar(image, ax=axes, aspect=30, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
