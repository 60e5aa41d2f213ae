"""Figure of the attractors of a map and their basins."""

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from rnnlab.analysis.figures.style import new_figure
from rnnlab.analysis.numerics.pca import components
from rnnlab.analysis.numerics.settling import Attractor, NearestReturn
from rnnlab.analysis.probe.autonomous import AutonomousMap
from rnnlab.plots.palette import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BARS, _UNSETTLED = 12, 8  # bars of basins, and trajectories without an attractor, drawn at most
_NEARLY = 0.05  # spreads
_FAR = 1e6  # larger states are not drawn
_GREY = "#9A9A9A"


class BasinPortrait(NamedTuple):
    """The attractors of a map and their basins.

    Attributes:
        map: the map.
        found: its attractors.
        ends: `(B, D)`, the last state of each trajectory.
        back: the nearest return of the trajectories without an attractor, its distance in
            standard deviations of the visited states.
        tracks: `(B, T, D)`, the first steps of some of the trajectories.
        stored: for each attractor the index of the pattern that it answers at every step, or
            `None`; `None` if the task has no patterns.
        recall: accuracy of the last states, if the starts were clues of patterns.
    """

    map: AutonomousMap
    found: list[Attractor]
    ends: Tensor
    back: NearestReturn | None
    tracks: Tensor
    stored: list[int | None] | None
    recall: dict[str, float]

    @property
    def unsettled(self) -> int:
        """The number of starts without an attractor."""
        return len(self.ends) - sum(len(one.basin) for one in self.found)


def draw_basins_figure(each: BasinPortrait) -> "Figure":
    """Draw the trajectories in the plane of their principal components, and the basin sizes."""
    figure = new_figure(width=13.3, height=6.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
    _draw_plane(left, each)
    _draw_basins(right, each)
    figure.suptitle(f"Reading {each.map.reads}", x=0.01, ha="left", size=15)
    return figure


def _color(number: int) -> str:
    return COLORS[number] if number < len(COLORS) else _GREY


def _draw_plane(axes: "Axes", each: BasinPortrait) -> None:
    """Draw the trajectories in the colours of their basins, those of small basins in grey."""
    basin = {start: number for number, a in enumerate(each.found) for start in a.basin}
    tracks = each.tracks.numpy()
    near = (np.abs(tracks) < _FAR).all(axis=(1, 2))
    shown = [start for start in np.flatnonzero(near).tolist() if start in basin]
    shown += [start for start in np.flatnonzero(near).tolist() if start not in basin][:_UNSETTLED]
    points = [tracks[shown].reshape(-1, tracks.shape[2]), *(a.cycle.numpy() for a in each.found)]
    if not any(map(len, points)):
        axes.set_title("all starts flew away")
        return
    pca = components(np.concatenate(points))
    for start in shown:
        x, y = pca.plane(tracks[start]).T
        color = _color(basin.get(start, len(COLORS)))
        axes.plot(x, y, color=color, linewidth=1, alpha=0.55)
        axes.plot(x[:1], y[:1], ".", color=color, markersize=5)
    for number, attractor in reversed(list(enumerate(each.found))):
        x, y = pca.plane(attractor.cycle.numpy()).T
        look = {"color": _color(number), "zorder": 4}
        axes.plot([*x, *x[:1]], [*y, *y[:1]], linewidth=2.4 * (attractor.period > 1), **look)
        size = 13 if attractor.period == 1 else 8
        axes.plot(x, y, "o", markersize=size, markeredgecolor="white", **look)
    axes.set(xlabel="first principal component of the state", ylabel="second")


def _manner(back: NearestReturn) -> str:
    """Describe the trajectories without an attractor."""
    if not isfinite(back.distance):
        return "flying away"
    if back.distance > _NEARLY:
        return "no return"
    return "still creeping" if back.steps == 1 else f"about {back.steps} a round"


def _draw_basins(axes: "Axes", each: BasinPortrait) -> None:
    """Draw the share of the starts in each basin, the largest on top."""
    total = len(each.ends)
    bars = []
    for number, attractor in enumerate(each.found[:_BARS]):
        kind = "fixed point" if attractor.period == 1 else f"cycle of {attractor.period}"
        pattern = each.stored[number] if each.stored else None
        kind = kind if pattern is None else f"pattern {pattern + 1}"
        bars.append((kind, len(attractor.basin), _color(number)))
    rest = each.found[_BARS:]
    if rest:
        size = sum(len(attractor.basin) for attractor in rest)
        bars.append((f"{len(rest)} more", size, _GREY))
    if each.back is not None:
        bars.append((_manner(each.back), each.unsettled, "#DDDDDD"))
    labels, sizes, colors = zip(*bars, strict=True)
    places = range(len(bars))
    axes.barh(places, [size / total for size in sizes], color=colors)
    axes.set_yticks(places, labels)
    axes.set_ylim(max(len(bars), 6) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")
    axes.set(xlabel=f"basin: share of {total} starts")
