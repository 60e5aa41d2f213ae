"""What a net does with its recurrent weights times a gain: chaos, and the fate of gradients."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnlab.analysis.figures.style import new_figure
from rnnlab.analysis.probe.gradients import GradientDecay
from rnnlab.plots.palette import COLORS, GREY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CHAOS = "#FBEBDD"  # behind exponents above 0
_SMALLEST = 1e-12  # share of the gradient at the answer that is drawn


def draw_gains(gains: Sequence[float], exponents: Sequence[Sequence[float]]) -> "Figure":
    """Draw exponents against gains, in numbers beside the line of the net.

    Args:
        gains: G gains.
        exponents: G rows: the net's own exponent, then those of nets with shuffled weights.
    """
    figure = new_figure()
    axes = figure.subplots()
    values = np.array(exponents)
    values[~np.isfinite(values)] = np.nan  # where every difference is lost at once
    low, high = np.nanmin(values, initial=0), np.nanmax(values, initial=0)
    room = 0.12 * max(high - low, 0.1)
    axes.set_ylim(low - room, high + room)
    axes.axhspan(0, high + room, color=_CHAOS, linewidth=0, zorder=0)
    axes.axhline(0, color=GREY, linewidth=1.2)
    axes.plot(gains, values[:, 0], "o-", color=COLORS[0], label="the net", zorder=3)
    if values.shape[1] > 1:
        each = {"color": COLORS[1], "markersize": 22, "markeredgewidth": 1.6, "zorder": 4}
        labels = ["its weights shuffled", *[""] * (values.shape[1] - 2)]
        axes.plot(gains, values[:, 1:], "_", label=labels, **each)
    for gain, value in zip(gains, values[:, 0], strict=True):
        if not np.isfinite(value):
            continue
        beside = {"xytext": (-6, 10), "textcoords": "offset points", "ha": "right", "va": "bottom"}
        shown = f"{round(value, 2) + 0.0:+.2f}"  # no -0.00
        axes.annotate(shown, (gain, value), color=COLORS[0], size=13, zorder=5, **beside)
    edge = {"transform": axes.get_yaxis_transform(), "color": GREY, "size": 14}
    axes.text(0.01, 0.3 * room, "above 0: chaos", va="bottom", **edge)
    axes.text(0.01, -0.3 * room, "below 0: differences fade", va="top", **edge)
    axes.set_xticks(gains, [f"{gain:g}" for gain in gains])
    axes.margins(x=0.09)
    axes.set(xlabel="gain of the recurrent weights", ylabel="largest exponent (nats per step)")
    axes.legend(loc="lower right")
    return figure


def draw_fading(curves: Mapping[float, GradientDecay], factors: Mapping[float, float]) -> "Figure":
    """Draw the gradient by its distance from the answer, a line for each gain.

    Args:
        curves: gain -> decay.
        factors: gain -> factor by which a step changes the gradient.
    """
    from matplotlib import colormaps

    figure = new_figure()
    axes = figure.subplots()
    axes.axhline(1, color=GREY, linewidth=1.2)
    shades = colormaps["viridis"](np.linspace(0, 0.78, len(curves)))
    for (gain, curve), color in zip(curves.items(), shades, strict=True):
        if not len(curve.shares) or not curve.shares[0]:  # the answer hands nothing back
            continue
        shares = (curve.shares / curve.shares[0]).numpy()
        name = f"gain {gain:g}: {factors[gain]:.3g} times a step"
        axes.plot(curve.distances.numpy(), shares, color=color, label=name)
    axes.set_yscale("log")
    axes.set_ylim(bottom=max(axes.get_ylim()[0], _SMALLEST))
    axes.set(xlabel="distance from the answer (steps)", ylabel="gradient, share of the nearest")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
