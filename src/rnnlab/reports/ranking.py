"""The metric of groups that have no numeric axis: ranked by task, or against each setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnnlab.metric import words
from rnnlab.plots.decades import is_logarithmic
from rnnlab.plots.palette import COLORS, GREY
from rnnlab.plots.size import points
from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.drawing import (
    caption,
    direction,
    finish,
    interval_name,
    lay_out,
    scale_x,
    scale_y,
    scores_of,
)
from rnnlab.reports.groups import RunGroup, format_value, is_numeric, sort_key, values_of
from rnnlab.reports.panels import MOST_PANELS, Line, Panel, describe
from rnnlab.reports.report import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_ranking(aggregate: Aggregate, width: float | None) -> "Figure":
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
    title = caption(aggregate, "mean", f"line: {interval_name(aggregate)}; dots: runs")
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
    values = scores_of(groups)
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
    if is_logarithmic(values, lower_is_better=aggregate.lower_is_better):
        axes.set_xscale("log")


def draw_scatter(section: Section, width: float | None) -> "Figure":
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
        axes.set_xlabel(aggregate.in_words(key))
    title = f"{len(groups)} settings, the best in orange ({means[best]:.4g})"
    y = words(aggregate.metric)
    finish(aggregate, figure, subplots, title, x=None, y=y, labelled=False)
    return figure
