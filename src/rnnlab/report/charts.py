"""The pictures of a sweep: the metric against swept settings, training curves, a heat map.

matplotlib, from `pip install 'rnnlab[report]'`, is imported only to draw.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from rnnlab.metric import base_name, words
from rnnlab.plots.palette import COLORS, GREY
from rnnlab.plots.size import points, style
from rnnlab.report.aggregate import Aggregate
from rnnlab.report.curves import Curves
from rnnlab.report.drawing import (
    caption,
    direction,
    draw_floor,
    draw_means,
    finish,
    lay_out,
    mark_failures,
    scale_x,
    scale_y,
    spans_decades,
)
from rnnlab.report.groups import (
    RunGroup,
    format_value,
    is_numeric,
    sort_key,
    value_of,
    values_of,
)
from rnnlab.report.panels import (
    MOST_PANELS,
    Line,
    Panel,
    arrange,
    choose_line,
    describe,
    first_lines,
    of_several_tasks,
)
from rnnlab.report.report import Report, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Format = Literal["png", "pdf", "svg"]
FORMATS = get_args(Format)
_STEMS = ("metric", "success", "curves", "heatmap")
_ON_A_PAGE = ("png", "svg")  # formats that a browser shows in Markdown
_UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """How pictures are written.

    Attributes:
        formats: the formats of each.
        width: width in inches, for a page; `None` for slides.
    """

    formats: Sequence[Format] = ("png",)
    width: float | None = None


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def file_names(suffixes: Sequence[str]) -> list[str]:
    """List the names that pictures of metrics with these suffixes may have."""
    return [f"{s}{suffix}.{form}" for s in _STEMS for suffix in suffixes for form in FORMATS]


def draw(report: Report, directory: Path, settings: PictureSettings) -> dict[str, str]:
    """Draw the pictures that apply to the sweep.

    Args:
        report: the report.
        directory: existing directory for the files.
        settings: formats and size.

    Returns:
        File name -> caption, of one format of each that a browser shows. The caption is empty if
        the picture has it as its title.
    """
    from matplotlib import rc_context

    from rnnlab.plots.ticks import plain_ticks

    shown: dict[str, str] = {}
    format_shown = next((form for form in _ON_A_PAGE if form in settings.formats), None)
    with rc_context(style(settings.width) | {"svg.hashsalt": "rnnlab"}):
        for stem, figure in _figures(report, settings.width):
            plain_ticks(figure)
            title = str(figure.get_label())
            if settings.width is None:
                figure.suptitle(title, x=0.01, ha="left", size=points(16))
            for form in settings.formats:
                figure.savefig(directory / f"{stem}.{form}", metadata=_UNDATED[form])
                figure.set_layout_engine("none")  # it is laid out, and need not be again
            if format_shown:
                shown[f"{stem}.{format_shown}"] = title if settings.width else ""
    return shown


def _figures(report: Report, width: float | None) -> "Iterator[tuple[str, Figure]]":
    """Draw the figures of each metric, one after another, each with the stem of its file name."""
    drawn: set[str] = set()
    for section in report.sections:
        aggregate = section.aggregate
        if not any(group.values for group in aggregate.groups):
            continue
        figures = {
            "metric": _metric(section, width),
            "success": _success(aggregate, width),
            "curves": None,
            "heatmap": _heat_map(aggregate, width),
        }
        if aggregate.curve_metric not in drawn:  # costs have the curves of what was monitored
            figures["curves"] = _learning(aggregate, section.curves, width)
            drawn.add(aggregate.curve_metric)
        for stem, figure in figures.items():
            if figure is not None:
                yield f"{stem}{section.suffix}", figure


def _metric(section: Section, width: float | None) -> "Figure":
    """Draw mean, interval and runs against x; without x by group; a random search as scatter."""
    aggregate = section.aggregate
    several = len({group.task for group in aggregate.groups}) > 1
    if aggregate.x is None or (several and not aggregate.is_grid):
        return _dots(aggregate, width)
    if not aggregate.is_grid:
        return _scatter(section, width)
    lines, keys = choose_line(aggregate, [key for key in aggregate.keys if key != aggregate.x])
    panels = arrange(aggregate, lines, keys)
    figure, subplots = lay_out(panels, width=width)
    apart = of_several_tasks(panels)
    for axes, panel in subplots:
        for line in panel.lines:
            draw_means(axes, line, aggregate.x)
        failing = [line for line in panel.lines if any(group.failures for group in line.groups)]
        for index, line in enumerate(failing):
            mark_failures(axes, line, aggregate.x, height=1.02 + 0.035 * index)
        groups = [group for line in panel.lines for group in line.groups]
        name = base_name(aggregate.metric)
        labelled = apart or axes is subplots[0][0]
        floors = draw_floor(axes, groups, name, aggregate.x, labelled=labelled)
        scale_x(axes, [group.settings[aggregate.x] for group in groups])
        scale_y(axes, aggregate, [*_scores(groups if apart else aggregate.groups), *floors])
    title = caption(aggregate, "mean", f"band: {_interval(aggregate)}; dots: runs")
    if any(group.failures for group in aggregate.groups):
        title += "; \N{MULTIPLICATION SIGN}: some failed"
    finish(aggregate, figure, subplots, title, x=aggregate.x, y=words(aggregate.metric))
    return figure


def _success(aggregate: Aggregate, width: float | None) -> "Figure | None":
    """Draw the share of runs that reached the target, with Wilson's interval."""
    if aggregate.target is None or aggregate.x is None or not aggregate.is_grid:
        return None
    lines, keys = choose_line(aggregate, [key for key in aggregate.keys if key != aggregate.x])
    figure, subplots = lay_out(arrange(aggregate, lines, keys), width=width)
    columns = values_of(aggregate.groups, aggregate.x)
    for axes, panel in subplots:
        for index, line in enumerate(panel.lines):
            offset = 0.7 * ((index + 0.5) / len(panel.lines) - 0.5)
            xs = [columns.index(group.settings[aggregate.x]) + offset for group in line.groups]
            axes.plot(xs, [g.rate for g in line.groups], line.marker, color=line.color)
            low, high = zip(*(group.rate_interval for group in line.groups), strict=True)
            axes.vlines(xs, low, high, color=line.color, linewidth=points(2))
        axes.set_xticks(range(len(columns)), [format_value(value) for value in columns])
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.grid(False, axis="x")
    sign = (
        "\N{LESS-THAN OR EQUAL TO}" if aggregate.lower_is_better else "\N{GREATER-THAN OR EQUAL TO}"
    )
    title = f"runs with {words(aggregate.metric)} {sign} {aggregate.target:g}"
    title += "; line: 95 % interval (Wilson)"
    finish(aggregate, figure, subplots, title, x=aggregate.x, y="share of runs", beside=False)
    return figure


def _learning(
    aggregate: Aggregate, curves: Sequence[Mapping[str, Curves]], width: float | None
) -> "Figure | None":
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
    figure, subplots = lay_out(shown, width=width)
    apart = of_several_tasks(shown)
    for axes, panel in subplots:
        for line in panel.lines:
            for curve in (of_group[id(group)] for group in line.groups if id(group) in of_group):
                low, middle, high = np.percentile(curve.values, [25, 50, 75], axis=0)
                axes.plot(curve.steps, middle, color=line.color, label=line.label)
                axes.fill_between(curve.steps, low, high, color=line.color, alpha=0.2, linewidth=0)
        groups = [group for line in panel.lines for group in line.groups]
        labelled = apart or axes is subplots[0][0]
        floors = draw_floor(axes, groups, base_name(metric), None, labelled=labelled)
        here = (
            [of_group[id(g)] for g in groups if id(g) in of_group] if apart else of_group.values()
        )
        drawn = np.concatenate([curve.values.ravel() for curve in here])
        scale_y(axes, aggregate, [*drawn.tolist(), *floors])
        axes.margins(x=0)
    finish(aggregate, figure, subplots, title, x="updates", y=words(metric), marked=False)
    return figure


def _heat_map(aggregate: Aggregate, width: float | None) -> "Figure | None":
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
    finish(aggregate, figure, subplots, title, x=aggregate.x, y=y, labelled=False)
    return figure


def _color_scale(aggregate: Aggregate, groups: Sequence[RunGroup]) -> "Normalize | None":
    """Return a scale from the lowest to the highest mean, `None` if all are equal."""
    from matplotlib.colors import LogNorm, Normalize

    means = [group.summary.mean for group in groups if group.values]
    if not means or min(means) == max(means):
        return None
    return (LogNorm if spans_decades(aggregate, means) else Normalize)(min(means), max(means))


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


def _dots(aggregate: Aggregate, width: float | None) -> "Figure":
    """Draw a row for each group, the best at the top, in a panel for each task.

    For sweeps without a numeric setting.
    """
    by_task: dict[str, list[RunGroup]] = {}
    for group in aggregate.groups:
        if group.values:
            by_task.setdefault(group.task or "", []).append(group)
    keys = [key for key in aggregate.keys if key != "task"]
    most = 30 if len(by_task) == 1 else 15
    ranked = {
        task: sorted(groups, key=lambda g: g.summary.mean, reverse=aggregate.lower_is_better)[
            -most:
        ]
        for task, groups in by_task.items()
    }
    panels = [
        Panel(task if len(ranked) > 1 else "", [Line("", groups, COLORS[0], "o")])
        for task, groups in sorted(ranked.items())
    ]
    height = 1.6 + 0.45 * max(map(len, ranked.values()))
    figure, subplots = lay_out(panels[:MOST_PANELS], width=width, height=height)
    for axes, panel in subplots:
        groups = panel.lines[0].groups
        differing = [key for key in keys if len(values_of(groups, key)) > 1]
        _draw_rows(axes, aggregate, groups, differing or keys)
        axes.set_title(panel.title)
    title = caption(aggregate, "mean", f"line: {_interval(aggregate)}; dots: runs")
    if len(panels) > MOST_PANELS:
        title += f"; {MOST_PANELS} of {len(panels)} tasks"
    figure.set_label(title)
    name = f"{words(aggregate.metric)} ({direction(aggregate)})"
    if len(subplots) == 1:
        subplots[0][0].set_xlabel(name)
    else:
        figure.supxlabel(name, size=points(15))
    return figure


def _draw_rows(
    axes: "Axes", aggregate: Aggregate, groups: Sequence[RunGroup], keys: Sequence[str]
) -> None:
    color = COLORS[0]
    for row, group in enumerate(groups):
        runs = list(group.values.values())
        axes.plot(runs, [row] * len(runs), "o", color=color, alpha=0.3, markersize=points(6))
        axes.plot(group.summary.interval, [row, row], color=color, solid_capstyle="butt")
        axes.plot(group.summary.mean, row, "o", color=color, markersize=points(10))
    axes.set_yticks(range(len(groups)), [describe(aggregate, group, keys) for group in groups])
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.grid(False, axis="y")
    values = _scores(groups)
    floor = aggregate.floor(groups)
    if floor is not None:
        values.append(floor)
        axes.axvline(floor, color=GREY, linestyle="--", linewidth=points(1.5))
        left = floor < (min(values) + max(values)) / 2
        axes.annotate(
            "floor",
            (floor, 0),
            xycoords=("data", "axes fraction"),
            xytext=(points(4 if left else -4), points(4)),
            textcoords="offset points",
            ha="left" if left else "right",
            color=GREY,
            size=points(13),
        )
    if spans_decades(aggregate, values):
        axes.set_xscale("log")


def _scatter(section: Section, width: float | None) -> "Figure":
    """Draw the metric against each setting, for settings that don't form a grid."""
    aggregate = section.aggregate
    keys = [key for key in aggregate.keys if len(values_of(aggregate.groups, key)) > 1]
    shares = {each.key: f"explains {100 * each.share:.0f} %" for each in section.importances}
    panels = [Panel(shares.get(key, ""), []) for key in keys[:MOST_PANELS]]
    figure, subplots = lay_out(panels, width=width)
    groups = [group for group in aggregate.groups if group.values]
    groups.sort(key=lambda group: [sort_key(group.settings[key]) for key in reversed(keys)])
    means = [group.summary.mean for group in groups]
    best = means.index((min if aggregate.lower_is_better else max)(means))
    for (axes, _), key in zip(subplots, keys, strict=False):
        xs: Any = [group.settings[key] for group in groups]
        if not is_numeric(aggregate.groups, key):
            xs = [format_value(x) for x in xs]
        axes.plot(xs, means, "o", color=COLORS[0], alpha=0.6)
        axes.plot(xs[best], means[best], "o", color=COLORS[1], markersize=points(11))
        if is_numeric(aggregate.groups, key):
            scale_x(axes, xs)
        scale_y(axes, aggregate, means)
        axes.set_xlabel(key)
    title = f"{len(groups)} settings, the best in orange ({means[best]:.4g})"
    y = words(aggregate.metric)
    finish(aggregate, figure, subplots, title, x=None, y=y, labelled=False)
    return figure


def _scores(groups: Sequence[RunGroup]) -> list[float]:
    return [value for group in groups for value in group.values.values()]


def _interval(aggregate: Aggregate) -> str:
    return "95 % interval" + (" (Student's t)" if aggregate.interval == "t" else " (bootstrap)")
