"""Figure of the attractors of a map and their basins."""

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from rnnlab.analysis.figures.style import new_figure
from rnnlab.analysis.numerics.pca import components
from rnnlab.analysis.numerics.settling import Attractor, NearestReturn
from rnnlab.analysis.probe.autonomous import AutonomousMap
from rnnlab.plots.palette import COLORS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BARS = 12  # of basins, drawn at most
_PATHS, _PATH_STEPS = 12, 24  # trajectories drawn at most, if there are so few attractors
_SHORT = 6  # steps of a cycle to which paths are drawn once a round
_NEARLY = 0.05  # spreads
_FAR = 1e6  # larger states are not drawn
_GREY, _NONE = "#9A9A9A", "#C4C4C4"  # of basins without a colour, and of no attractor


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
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    _draw_plane(left, each)
    _draw_basins(right, each)
    return figure


def _color(number: int) -> str:
    return COLORS[number] if number < len(COLORS) else _GREY


def _draw_plane(axes: "Axes", each: BasinPortrait) -> None:
    """Draw some trajectories in the colours of their basins, and the attractors on top."""
    basin = {start: number for number, a in enumerate(each.found) for start in a.basin}
    tracks = each.tracks.numpy()
    near = np.flatnonzero((np.abs(tracks) < _FAR).all(axis=(1, 2))).tolist()
    shown = _some_of_each(near, basin)
    ends = each.ends[[start not in basin for start in range(len(each.ends))]].numpy()
    ends = ends[(np.abs(ends) < _FAR).all(axis=1)]
    strides = {start: _stride(each.found[basin[start]]) for start in shown if start in basin}
    paths = {start: tracks[start, :: strides.get(start, 1)][: _PATH_STEPS + 1] for start in shown}
    points = [tracks[shown, : _PATH_STEPS + 1].reshape(-1, tracks.shape[2]), ends]
    points += [attractor.cycle.numpy() for attractor in each.found]
    if not any(map(len, points)):
        axes.set_title("all starts flew away")
        return
    pca = components(np.concatenate(points))
    for start, path in paths.items():
        x, y = pca.plane(path).T
        color = _color(basin[start]) if start in basin else _NONE
        axes.plot(x, y, color=color, linewidth=1.4, alpha=0.5 if start in basin else 0.8)
        axes.plot(x[:1], y[:1], ".", color=color, markersize=7)
    for number, attractor in reversed(list(enumerate(each.found))):
        x, y = pca.plane(attractor.cycle.numpy()).T
        round_it = [*x, *x[:1]], [*y, *y[:1]]
        if attractor.period > 1:  # with a white border
            axes.plot(*round_it, color="white", linewidth=7, zorder=4)
            axes.plot(*round_it, color=_color(number), linewidth=3.2, zorder=4)
        look = {"color": _color(number), "markeredgecolor": "white", "markeredgewidth": 1.5}
        axes.plot(x, y, "o", markersize=14 if attractor.period == 1 else 11, zorder=5, **look)
    if len(ends):
        axes.plot(*pca.plane(ends).T, ".", color=GREY, markersize=6, label="last states", zorder=4)
        axes.legend(frameon=True, framealpha=0.8, edgecolor="none")
    axes.set(xlabel="first principal component of the state", ylabel="second")
    starts = f"{len(shown)} trajectories from their starts (small dots)" if shown else "attractors"
    starts += ", once a round" if max(strides.values(), default=1) > 1 else ""
    axes.set_title(f"Reading {each.map.reads}\n{starts}")


def _stride(attractor: Attractor) -> int:
    """Return after how many steps a trajectory is drawn again: once a round of a short cycle.

    Drawn at every step, it would be a star over the cycle.
    """
    return attractor.period if attractor.period <= _SHORT else 1


def _some_of_each(starts: list[int], basin: dict[int, int]) -> list[int]:
    """Return some of the starts, about equally many of each basin and of those without one."""
    apart: dict[int | None, list[int]] = {}
    for start in starts:
        apart.setdefault(basin.get(start), []).append(start)
    of_each = max(2, _PATHS // max(1, len(apart)))
    return [start for own in apart.values() for start in own[:of_each]]


def _manner(back: NearestReturn) -> str:
    """Describe the trajectories without an attractor."""
    if not isfinite(back.distance):
        return "flying away"
    if back.distance > _NEARLY:
        return "no return"
    return "still creeping" if back.steps == 1 else f"about {back.steps} steps\na round"


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
        bars.append((_manner(each.back), each.unsettled, _NONE))
    labels, sizes, colors = zip(*bars, strict=True)
    places = range(len(bars))
    axes.barh(places, [size / total for size in sizes], color=colors)
    axes.set_yticks(places, labels)
    axes.set_ylim(max(len(bars), 6) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")
    axes.set(xlabel=f"share of {total} starts", title="Basins")
