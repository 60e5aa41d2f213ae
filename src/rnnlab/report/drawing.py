"""How a sweep's pictures look: slides, axes, bands, labels."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnlab.plots.palette import GREY
from rnnlab.report.aggregate import Analysis, Group, spell
from rnnlab.report.panels import Line, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def slide(
    panels: Sequence[Panel], height: float | None = None
) -> "tuple[Figure, list[tuple[Axes, Panel]]]":
    """Lay out panels on a slide."""
    from matplotlib.figure import Figure

    columns = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    rows = -(-len(panels) // columns)
    size = (11.0, height or 6.2) if len(panels) == 1 else (13.3, height or 1.4 + 3.1 * rows)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    return figure, list(zip(grid.flat, panels, strict=False))


def draw_means(axes: "Axes", line: Line, x: str) -> None:
    """Draw a line of means with its band, and a dot a run."""
    groups = [group for group in line.groups if group.values]
    xs: Any = [group.settings[x] for group in groups]
    means = [group.summary.mean for group in groups]
    axes.plot(xs, means, color=line.color, marker=line.marker, label=line.label)
    if groups:
        low, high = zip(*(group.summary.interval for group in groups), strict=True)
        axes.fill_between(xs, low, high, color=line.color, alpha=0.18, linewidth=0)
    for group in groups:
        runs = list(group.values.values())
        axes.plot(
            [group.settings[x]] * len(runs), runs, ".", color=line.color, alpha=0.45, markersize=6
        )


def mark_failures(axes: "Axes", line: Line, x: str, height: float) -> None:
    """Put a cross above the axes where a run failed: inside it would look like a value."""
    xs: Any = [group.settings[x] for group in line.groups if group.failures]
    place = axes.get_xaxis_transform()
    axes.plot(xs, [height] * len(xs), "x", color=line.color, transform=place, mew=2, clip_on=False)


def draw_floor(
    axes: "Axes", groups: Sequence[Group], name: str, x: str | None, *, named: bool
) -> list[float]:
    """Draw what can be scored without memory or learning, where all runs of an x agree on it."""
    floors: dict[Any, set[float]] = {}
    for group in groups:
        if group.records:
            place = None if x is None else group.settings[x]
            floors.setdefault(place, set()).update(floors_of([group], name))
    if not floors or any(len(found) != 1 for found in floors.values()):
        return []
    xs, heights = zip(*sorted((x, *found) for x, found in floors.items()), strict=True)
    look = {"color": GREY, "linestyle": "--", "linewidth": 1.5, "zorder": 1}
    if len(set(heights)) == 1:
        axes.axhline(heights[0], **look)
    else:
        axes.plot(xs, heights, **look)
    if named:
        axes.annotate(
            "floor",
            (0, heights[0]),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            color=GREY,
            size=12,
        )
    return list(heights)


def floors_of(groups: Sequence[Group], name: str) -> list[float]:
    """Give the floors that the runs of some groups name."""
    return [r.floor[name] for group in groups for r in group.records if name in r.floor]


def scale_x(axes: "Axes", values: Sequence[Any]) -> None:
    """Choose the axis by the values, and mark each if they are far enough apart."""
    known = sorted(set(values))
    places = np.array(known, dtype=float)
    if len(known) > 2 and known[0] > 0 and known[-1] / known[0] >= 10:
        axes.set_xscale("log")
        places = np.log(places)
    if len(known) == 1 or np.diff(places).min() >= 0.08 * np.ptp(places):
        axes.set_xticks(known, [spell(value) for value in known])
        axes.set_xticks([], minor=True)


def scale_y(axes: "Axes", analysis: Analysis, values: Sequence[float]) -> None:
    """Make the axis logarithmic for what is better when lower and spans decades."""
    if not spans_decades(analysis, values):
        return
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    decades = math.log10(max(values) / min(values))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def spans_decades(analysis: Analysis, values: Sequence[float]) -> bool:
    """Tell whether values are better when lower, and need a logarithmic axis."""
    return bool(analysis.lower and min(values) > 0 and max(values) / min(values) >= 20)


def caption(analysis: Analysis, what: str, legend: str = "") -> str:
    """Say what is drawn of how many runs, and how."""
    sizes = sorted({group.summary.size for group in analysis.groups if group.values})
    if sizes == [1]:
        return "one run each"
    few = f"{sizes[0]} to " if len(sizes) > 1 else ""
    return f"{what} of {few}{sizes[-1]} runs each" + (f"; {legend}" if legend else "")


def direction(analysis: Analysis) -> str:
    """Say which values are better."""
    return f"{'lower' if analysis.lower else 'higher'} is better"


def finish(
    analysis: Analysis,
    figure: "Figure",
    places: "Sequence[tuple[Axes, Panel]]",
    title: str,
    *,
    x: str | None,
    y: str,
    labelled: bool = True,
    marked: bool = True,
    beside: bool = True,
) -> None:
    """Say what is what: beside the lines where there is room, else in a legend."""
    drawn = sum(bool(g.values) for _, panel in places for line in panel.lines for g in line.groups)
    there = sum(bool(group.values) for group in analysis.groups)
    if 0 < drawn < there:
        title += f"; {drawn} of {there} settings"
    figure.suptitle(title, x=0.01, ha="left", size=16)
    first = places[0][0]
    for axes, panel in places:
        axes.set_title(panel.title)
    if len(places) == 1:
        first.set(xlabel=x or first.get_xlabel(), ylabel=y)
    else:
        figure.supylabel(y, size=15)
        figure.supxlabel(x or "", size=15)
    lines = {line.label: line for _, panel in places for line in panel.lines if line.label}
    if not labelled or not lines:
        return
    widest = max(map(len, lines))
    if beside and len(places) == 1 and len(lines) <= 10 and widest <= 20:
        _label_lines(figure, first, list(lines.values()))
        return
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=line.color, marker=line.marker if marked else "", label=line.label)
        for line in lines.values()
    ]
    if widest <= 20:
        figure.legend(handles=handles, loc="outside right upper")
    else:
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if widest <= 50 else 1)


def _label_lines(figure: "Figure", axes: "Axes", lines: Sequence[Line]) -> None:
    """Write names beside the ends of the lines, apart from each other."""
    figure.draw_without_rendering()  # the axes have their final limits then
    drawn = {artist.get_label(): np.asarray(artist.get_xydata()) for artist in axes.get_lines()}
    told = [line for line in lines if len(drawn.get(line.label, []))]
    ends = [drawn[line.label][-1] for line in told]
    seen = axes.transAxes.inverted().transform(axes.transData.transform(ends))
    for line, end, height in zip(told, ends, spread(seen[:, 1], 0.062), strict=True):
        axes.annotate(
            line.label,
            end,
            xytext=(1.035, height),
            textcoords="axes fraction",
            va="center",
            color=line.color,
            arrowprops={
                "arrowstyle": "-",
                "color": line.color,
                "alpha": 0.5,
                "linewidth": 0.8,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart to at least `gap`, between 0 and 1 if they fit, as little as can be.

    The least squares answer, by pooling neighbours that are too near (Ayer et al. 1955).
    """
    most = max(0.0, 1 - (len(heights) - 1) * gap)
    order = np.argsort(heights, kind="stable").tolist()
    pools: list[tuple[float, int]] = []
    for place, index in enumerate(order):
        pools.append((heights[index] - place * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (one, first), (other, second) = pools[-2:]
            pools[-2:] = [((one * first + other * second) / (first + second), first + second)]
    moved = [min(max(height, 0.0), most) for height, count in pools for _ in range(count)]
    apart = {index: moved[place] + place * gap for place, index in enumerate(order)}
    return [float(apart[index]) for index in range(len(heights))]
