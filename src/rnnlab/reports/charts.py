"""The pictures of a sweep: the metric against swept settings, training curves, a heat map.

matplotlib, from `pip install 'rnnlab[report]'`, is imported only to draw.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from rnnlab.metric import base_name, words
from rnnlab.plots.files import encode
from rnnlab.plots.size import points, style
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.curves import Curves
from rnnlab.reports.drawing import (
    caption,
    draw_floor,
    draw_means,
    finish,
    interval_name,
    lay_out,
    mark_failures,
    scale_y,
    scores_of,
)
from rnnlab.reports.groups import (
    format_value,
    value_of,
    values_of,
)
from rnnlab.reports.heat_map import draw_heat_map
from rnnlab.reports.panels import (
    Panel,
    arrange,
    choose_line,
    first_lines,
    of_several_tasks,
)
from rnnlab.reports.ranking import draw_ranking, draw_scatter
from rnnlab.reports.report import Report, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["png", "pdf", "svg"]
FORMATS = get_args(Format)
_STEMS = ("metric", "success", "curves", "heatmap")
_ON_A_PAGE = ("png", "svg")  # formats that a browser shows in Markdown


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """How pictures are written.

    Attributes:
        formats: the formats of each.
        width: width in inches, for a page; `None` for slides.
    """

    formats: Sequence[Format] = ("png",)
    width: float | None = None


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
                (directory / f"{stem}.{form}").write_bytes(encode(figure, form))
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
            "heatmap": draw_heat_map(aggregate, width),
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
        return draw_ranking(aggregate, width)
    if not aggregate.is_grid:
        return draw_scatter(section, width)
    lines, keys = choose_line(aggregate, [key for key in aggregate.keys if key != aggregate.x])
    panels = arrange(aggregate, lines, keys)
    figure, subplots = lay_out(panels, width=width)
    apart = of_several_tasks(panels)
    for axes, panel in subplots:
        draw_means(axes, panel, aggregate.x)
        failing = [line for line in panel.lines if any(group.failures for group in line.groups)]
        for index, line in enumerate(failing):
            mark_failures(axes, line, aggregate.x, height=1.02 + 0.035 * index)
        groups = [group for line in panel.lines for group in line.groups]
        name = base_name(aggregate.metric)
        labelled = apart or axes is subplots[0][0]
        floors = draw_floor(axes, groups, name, aggregate.x, labelled=labelled)
        scale_y(axes, aggregate, [*scores_of(groups if apart else aggregate.groups), *floors])
    title = caption(aggregate, "mean", f"band: {interval_name(aggregate)}; dots: runs")
    if any(len(panel.lines) > 1 for panel in panels):
        title += "; side by side at each x"
    if any(group.failures for group in aggregate.groups):
        title += "; \N{MULTIPLICATION SIGN}: some failed"
    x = aggregate.in_words(aggregate.x)
    finish(aggregate, figure, subplots, title, x=x, y=words(aggregate.metric))
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
    x = aggregate.in_words(aggregate.x)
    finish(aggregate, figure, subplots, title, x=x, y="share of runs", beside=False)
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
