"""The figure of an entry: each seed's numbers, and what they must be."""

import math
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from rnnlab.plots.decades import spans_decades
from rnnlab.plots.files import encode
from rnnlab.plots.palette import COLORS, GREY
from rnnlab.plots.style import STYLE
from rnnlab.reproductions.bound import Bound
from rnnlab.reproductions.entry import Entry
from rnnlab.reproductions.outcome import Finding, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "figure.png"
_TITLE = 90  # characters of a line of it
_CLAIM, _CONTROL, _WANTED = COLORS[0], COLORS[1], "#E3F1EA"


def draw(entry: Entry, outcome: Outcome) -> bytes:
    """Draw a panel for each number, with a row for each job; returns a PNG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from rnnlab.plots.ticks import plain_ticks

    panels: dict[str, list[Finding]] = {}
    for found in outcome["findings"]:
        panels.setdefault(found["what"], []).append(found)
    heights = [0.9 + len(rows) for rows in panels.values()]
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 1.6 + 0.72 * sum(heights)), layout="constrained")
        subplots = figure.subplots(len(panels), squeeze=False, height_ratios=heights)[:, 0]
        for axes, (what, rows) in zip(subplots, panels.items(), strict=True):
            _panel(axes, rows)
            axes.set_xlabel(what)
        figure.suptitle(_balanced(entry.summary), x=0.01, ha="left", size=16)
        figure.supxlabel(_legend(outcome), x=0.99, ha="right", size=13, color=GREY)
        plain_ticks(figure)
        return encode(figure)


def _balanced(title: str) -> str:
    """Break a title into as few lines as it needs, of about one length."""
    lines = len(wrap(title, _TITLE))
    return "\n".join(wrap(title, min(_TITLE, len(title) // lines + 8)))


def _legend(outcome: Outcome) -> str:
    """Say what the marks are."""
    first, last = outcome["seeds"][0], outcome["seeds"][-1]
    seeds = f"dot: seed {first}" if first == last else f"dots: seeds {first} to {last}; bar: median"
    parts = [seeds, "green: as it must be"]
    if any(found["floor"] is not None for found in outcome["findings"]):
        parts.append("dashed: floor")
    if any(found["paper_value"] is not None for found in outcome["findings"]):
        parts.append("diamond: the paper")
    return "; ".join(parts)


def _panel(axes: "Axes", rows: list[Finding]) -> None:
    values = [value for found in rows for value in found["values"] if value is not None]
    floors = [found["floor"] for found in rows if found["floor"] is not None]
    papers = [found["paper_value"] for found in rows if found["paper_value"] is not None]
    ends = [end for found in rows for end in _ends(found) if math.isfinite(end)]
    low, high = _scale_x(axes, [*values, *floors, *papers, *ends])
    for row, found in enumerate(rows):
        color = _CONTROL if found["control"] else _CLAIM
        wanted = [min(max(end, low), high) for end in _ends(found)]
        look = {"color": _WANTED, "zorder": 0}
        axes.fill_betweenx([row - 0.42, row + 0.42], *wanted, linewidth=0, **look)
        if wanted[0] == wanted[1]:  # one number, which is seen around what lies on it
            axes.plot(wanted, [row - 0.42, row + 0.42], linewidth=24, solid_capstyle="butt", **look)
        shown = [value for value in found["values"] if value is not None]
        jitter = np.linspace(-0.22, 0.22, len(shown)) if len(shown) > 1 else np.zeros(len(shown))
        axes.plot(shown, row + jitter, "o", color=color, alpha=0.45, markersize=6)
        if found["quartiles"]:
            axes.plot([found["quartiles"][1]] * 2, [row - 0.3, row + 0.3], color=color)
        if found["floor"] is not None:
            axes.plot([found["floor"]] * 2, [row - 0.42, row + 0.42], "--", color=GREY, lw=1.5)
        if found["paper_value"] is not None:
            axes.plot(found["paper_value"], row, "D", color="black", mfc="none", mew=1.8)
    labels = [f"{found['job']}{' (control)' if found['control'] else ''}" for found in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(False, axis="y")


def _scale_x(axes: "Axes", every: list[float]) -> tuple[float, float]:
    """Choose the scale, limits and ticks of all numbers of a panel; returns the limits."""
    from matplotlib.ticker import MaxNLocator

    if spans_decades(every):
        axes.set_xscale("log")
        low, high = min(every) / 1.5, max(every) * 1.5
    else:
        margin = 0.06 * (max(every) - min(every)) or max(0.5, 0.05 * abs(every[0]))
        low, high = min(every) - margin, max(every) + margin
        if all(value == round(value) for value in every):
            axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(low, high)
    return low, high


def _ends(found: Finding) -> tuple[float, float]:
    bound = Bound.read(found["must"])
    return bound.low, bound.high
