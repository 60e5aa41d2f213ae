"""Drawing parts of a sweep's pictures with matplotlib: layout, bands, axes, labels."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnlab.plots.decades import is_logarithmic, spans_decades
from rnnlab.plots.palette import GREY
from rnnlab.plots.size import inches, points
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.groups import RunGroup, format_value
from rnnlab.reports.panels import Line, Panel, of_several_tasks

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import ScaledTranslation


_COLUMNS = {1: 1, 2: 2, 4: 2, 8: 4}  # of so many panels; of others 3


def lay_out(
    panels: Sequence[Panel], *, width: float | None, height: float | None = None
) -> "tuple[Figure, list[tuple[Axes, Panel]]]":
    """Make a figure with axes for each panel, which share their y axis if their task is the same.

    Args:
        panels: the panels.
        width: width in inches; `None` for a slide.
        height: height of a row of panels, in inches of a slide; by default it follows the width.
    """
    from matplotlib.figure import Figure

    whole = (11.0 if len(panels) == 1 else 13.3) if width is None else width / inches(1)
    columns = min(_COLUMNS.get(len(panels), 3), max(int(whole / 3.3), 1))
    rows = -(-len(panels) // columns)
    row = height or (min(6.2, 0.72 * whole) if len(panels) == 1 else 3.1)
    total = row * rows + (0 if len(panels) == 1 else 1.4)
    figure = Figure(figsize=(inches(whole), inches(total)), layout="constrained")
    shared = not of_several_tasks(panels)
    grid = figure.subplots(rows, columns, sharey=shared, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    return figure, list(zip(grid.flat, panels, strict=False))


def draw_means(axes: "Axes", panel: Panel, x: str) -> None:
    """Draw lines of means with a band of their intervals, and a dot for each run.

    The lines are set side by side, so that equal means of several don't hide each other.
    """
    values = [group.settings[x] for line in panel.lines for group in line.groups]
    scale_x(axes, values)
    drawn = [_draw_line(axes, line, x) for line in panel.lines]
    for artists, shift in zip(drawn, _side_by_side(axes, len(drawn), values), strict=True):
        for artist in artists:  # not before, since limits of axes would be those of moved points
            artist.set_transform(axes.transData + shift)


def _draw_line(axes: "Axes", line: Line, x: str) -> "list[Artist]":
    groups = [group for group in line.groups if group.values]
    xs: Any = [group.settings[x] for group in groups]
    means = [group.summary.mean for group in groups]
    look = {"color": line.color, "marker": line.marker, "label": line.label}
    artists: list[Artist] = [*axes.plot(xs, means, **look)]
    if groups:
        low, high = zip(*(group.summary.interval for group in groups), strict=True)
        look = {"color": line.color, "alpha": 0.18, "linewidth": 0}
        artists.append(axes.fill_between(xs, low, high, **look))
    for group in groups:
        runs = list(group.values.values())
        look = {"color": line.color, "alpha": 0.45, "markersize": points(6)}
        artists += axes.plot([group.settings[x]] * len(runs), runs, ".", **look)
    return artists


def _side_by_side(axes: "Axes", count: int, values: Sequence[Any]) -> "Iterator[ScaledTranslation]":
    """Yield how far each of some lines is moved aside: by a marker, or less where x are close."""
    from matplotlib import rcParams
    from matplotlib.transforms import ScaledTranslation

    figure = axes.get_figure(root=True)
    places = axes.xaxis.get_transform().transform(np.array(sorted(set(values)), dtype=float))
    closest = np.diff(places).min() / np.ptp(places) if len(places) > 1 else 1.0
    width = 72 * figure.get_figwidth() * axes.get_position().width
    step = min(float(rcParams["lines.markersize"]), closest * width / (2 * count))
    for index in range(count):
        shift = (index - (count - 1) / 2) * step
        yield ScaledTranslation(shift / 72, 0, figure.dpi_scale_trans)


def mark_failures(axes: "Axes", line: Line, x: str, height: float) -> None:
    """Draw a cross where a run failed, above the axes so that it doesn't look like a value."""
    xs: Any = [group.settings[x] for group in line.groups if group.failures]
    data_by_axes = axes.get_xaxis_transform()
    style = {"color": line.color, "transform": data_by_axes, "mew": points(2), "clip_on": False}
    axes.plot(xs, [height] * len(xs), "x", **style)


def draw_floor(
    axes: "Axes", groups: Sequence[RunGroup], name: str, x: str | None, *, labelled: bool
) -> list[float]:
    """Draw the score without memory or learning, if all runs at an x agree on it.

    Returns:
        The heights that were drawn.
    """
    floors: dict[Any, set[float]] = {}
    for group in groups:
        if group.records:
            at = None if x is None else group.settings[x]
            floors.setdefault(at, set()).update(group.floors(name))
    if not floors or any(len(values) != 1 for values in floors.values()):
        return []
    xs, heights = zip(*sorted((at, *values) for at, values in floors.items()), strict=True)
    style = {"color": GREY, "linestyle": "--", "linewidth": points(1.5), "zorder": 1}
    if len(set(heights)) == 1:
        axes.axhline(heights[0], **style)
    else:
        axes.plot(xs, heights, **style)
    if labelled:
        # Where the lines are far from it, as curves of training are at the end.
        late = x is None or (len(set(heights)) == 1 and _is_farther_late(groups, x, heights[0]))
        axes.annotate(
            "floor",
            (float(late), heights[0]),
            xycoords=("axes fraction", "data"),
            xytext=(points(-4 if late else 4), points(3)),
            textcoords="offset points",
            ha="right" if late else "left",
            color=GREY,
            size=points(12),
        )
    return list(heights)


def _is_farther_late(groups: Sequence[RunGroup], x: str, floor: float) -> bool:
    """Whether scores are farther from the floor at the largest x than at the smallest."""
    gaps: dict[Any, float] = {}
    for group in groups:
        for score in group.values.values():
            at = group.settings[x]
            gaps[at] = min(gaps.get(at, math.inf), abs(score - floor))
    return gaps[max(gaps)] > gaps[min(gaps)]


def scale_x(axes: "Axes", values: Sequence[Any]) -> None:
    """Choose a linear or logarithmic axis, with a tick at each value if they are far apart."""
    ticks = sorted(set(values))
    positions = np.array(ticks, dtype=float)
    if len(ticks) > 2 and spans_decades(ticks, factor=10):
        axes.set_xscale("log")
        positions = np.log(positions)
    if len(ticks) == 1 or np.diff(positions).min() >= 0.08 * np.ptp(positions):
        axes.set_xticks(ticks, [format_value(value) for value in ticks])
        axes.set_xticks([], minor=True)


def scale_y(axes: "Axes", aggregate: Aggregate, values: Sequence[float]) -> None:
    """Make the axis logarithmic if `is_logarithmic`."""
    if not is_logarithmic(values, lower_is_better=aggregate.lower_is_better):
        return
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    decades = math.log10(max(values) / min(values))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def caption(aggregate: Aggregate, what: str, legend: str = "") -> str:
    """Make a title: what is drawn, of how many runs, and what the marks mean."""
    sizes = sorted({group.summary.size for group in aggregate.groups if group.values})
    if sizes == [1]:
        return "one run each"
    few = f"{sizes[0]} to " if len(sizes) > 1 else ""
    return f"{what} of {few}{sizes[-1]} runs each" + (f"; {legend}" if legend else "")


def interval_name(aggregate: Aggregate) -> str:
    """Return the kind of the intervals of means, for captions."""
    return "95 % interval" + (" (Student's t)" if aggregate.interval == "t" else " (bootstrap)")


def scores_of(groups: Sequence[RunGroup]) -> list[float]:
    """Return the scores of all runs."""
    return [value for group in groups for value in group.values.values()]


def direction(aggregate: Aggregate) -> str:
    """Return `lower is better` or `higher is better`."""
    return f"{'lower' if aggregate.lower_is_better else 'higher'} is better"


def finish(
    aggregate: Aggregate,
    figure: "Figure",
    subplots: "Sequence[tuple[Axes, Panel]]",
    title: str,
    *,
    x: str | None,
    y: str,
    labelled: bool = True,
    marked: bool = True,
    beside: bool = True,
) -> None:
    """Add axis labels and the names of the lines; the figure's label becomes the title.

    Args:
        aggregate: the groups.
        figure: the figure.
        subplots: the figure's axes, each with its panel.
        title: title of the figure.
        x: label of the x axis.
        y: label of the y axis.
        labelled: whether lines are named.
        marked: whether the legend shows markers.
        beside: whether names may stand beside the ends of the lines instead of in a legend.
    """
    lines_drawn = [line for _, panel in subplots for line in panel.lines]
    drawn = sum(bool(group.values) for line in lines_drawn for group in line.groups)
    scored = sum(bool(group.values) for group in aggregate.groups)
    if 0 < drawn < scored:
        title += f"; {drawn} of {scored} settings"
    figure.set_label(title)
    first = subplots[0][0]
    for axes, panel in subplots:
        axes.set_title(panel.title)
    if len(subplots) == 1:
        first.set(xlabel=x or first.get_xlabel(), ylabel=y)
    else:
        figure.supylabel(y, size=points(15))
        for axes, _ in subplots if x else ():  # `supxlabel` would lie on a legend below
            if axes.get_subplotspec().is_last_row():
                axes.set_xlabel(x)
    lines = {line.label: line for line in lines_drawn if line.label}
    if not labelled or not lines:
        return
    widest = max(map(len, lines))
    wide = figure.get_figwidth() > inches(8)
    if beside and wide and len(subplots) == 1 and len(lines) <= 10 and widest <= 20:
        _label_lines(figure, first, list(lines.values()))
    else:
        _add_legend(figure, list(lines.values()), marked=marked)


def _add_legend(figure: "Figure", lines: Sequence[Line], *, marked: bool) -> None:
    """Draw a legend to the right of the axes, or below them if a label is long."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=line.color, marker=line.marker if marked else "", label=line.label)
        for line in lines
    ]
    widest = max(len(line.label) for line in lines)
    wide = figure.get_figwidth() > inches(8)
    if widest <= 20 and wide:
        figure.legend(handles=handles, loc="outside right upper")
    else:
        letters = figure.get_figwidth() / inches(0.12)
        columns = max(1, min(len(lines), int(letters / (widest + 6))))
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def _label_lines(figure: "Figure", axes: "Axes", lines: Sequence[Line]) -> None:
    """Write names beside the ends of the lines, moved apart so that they don't overlap."""
    figure.draw_without_rendering()  # sets the final limits of the axes
    drawn = {artist.get_label(): artist for artist in axes.get_lines() if len(artist.get_xydata())}
    lines = [line for line in lines if line.label in drawn]
    ends = [np.asarray(drawn[line.label].get_xydata())[-1] for line in lines]
    in_axes = axes.transAxes.inverted().transform(axes.transData.transform(ends))
    gap = inches(0.38) / figure.get_figheight()
    for line, end, height in zip(lines, ends, spread(in_axes[:, 1], gap), strict=True):
        axes.annotate(
            line.label,
            end,
            xycoords=drawn[line.label].get_transform(),
            xytext=(1.035, height),
            textcoords="axes fraction",
            va="center",
            color=line.color,
            arrowprops={
                "arrowstyle": "-",
                "color": line.color,
                "alpha": 0.5,
                "linewidth": points(0.8),
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights at least `gap` apart, within 0 to 1 if they fit.

    The least squares solution, by pooling adjacent violators (Ayer et al. 1955).
    """
    most = max(0.0, 1 - (len(heights) - 1) * gap)
    order = np.argsort(heights, kind="stable").tolist()
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        pools.append((heights[index] - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (one, first), (other, second) = pools[-2:]
            pools[-2:] = [((one * first + other * second) / (first + second), first + second)]
    moved = [min(max(height, 0.0), most) for height, count in pools for _ in range(count)]
    apart = {index: moved[rank] + rank * gap for rank, index in enumerate(order)}
    return [float(apart[index]) for index in range(len(heights))]
