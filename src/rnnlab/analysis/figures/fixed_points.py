"""Figures of the fixed and slow points of a map, and of their eigenvalues."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.analysis.figures.style import panels
from rnnlab.analysis.numerics.pca import Components, Numbers, components
from rnnlab.analysis.numerics.slow_points import Kind
from rnnlab.analysis.probe.autonomous import AutonomousMap
from rnnlab.plots.palette import COLORS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS: dict[Kind, tuple[str, str]] = {
    "stable": (COLORS[2], "o"),
    "neutral": (COLORS[4], "D"),
    "saddle": (COLORS[1], "X"),
    "unstable": (COLORS[3], "^"),
    "slow": (COLORS[6], "+"),
}
"""Colour and marker of each kind, in the order of the summary."""
_TRACKS, _TRACK_STEPS = 12, 60
_VISITED = "#C8C8C8"
_MULTIPLIERS = 3  # points whose eigenvalues are drawn


class FixedPoint(NamedTuple):
    """A fixed or slow point.

    Attributes:
        kind: stability of a fixed point, or `slow`.
        state: `(D,)`.
        speed: |F(x) - x|.
        hits: number of starts that converged to it.
        multipliers: `(D,)` complex, eigenvalues of the Jacobian, largest modulus first.
    """

    kind: Kind
    state: Tensor
    speed: float
    hits: int
    multipliers: Tensor


class PhasePortrait(NamedTuple):
    """A map with its fixed and slow points.

    Attributes:
        map: the map.
        points: the points, sorted by kind.
        beyond: number of starts that converged out of reach.
        reaches: the `reach` of each fixed point out of reach, ascending.
        tracks: `(N, T, D)`, trajectories of the map from visited states.
    """

    map: AutonomousMap
    points: list[FixedPoint]
    beyond: int
    reaches: list[float]
    tracks: Tensor


def draw(found: list[PhasePortrait]) -> "Figure":
    """Draw the phase portrait of each map; of a single map the eigenvalues, too."""
    if len(found) == 1:
        figure, grid = panels(1, 2, height=5.0)
        _draw_states(grid[0, 0], found[0], _plane(found))
        grid[0, 0].set_title(f"States, reading {found[0].map.reads}")
        _draw_multipliers(grid[0, 1], found[0].points)
        grid[0, 1].set_title(_title_of_multipliers(found[0].points))
    else:
        figure, grid = _grid(len(found))
        for axes, each in zip(grid, found, strict=False):
            _draw_states(axes, each, _plane(found))
            axes.set_title(f"reading {each.map.reads}")
    _draw_legend(figure, found, states=True, circle=len(found) == 1)
    return figure


def draw_eigenvalues(found: list[PhasePortrait]) -> "Figure":
    """Draw the eigenvalues of each map's points."""
    figure, grid = _grid(len(found))
    for axes, each in zip(grid, found, strict=False):
        _draw_multipliers(axes, each.points)
        axes.set_title(f"reading {each.map.reads}")
    _draw_legend(figure, found, states=False, circle=True)
    return figure


def _draw_legend(
    figure: "Figure", found: list[PhasePortrait], *, states: bool, circle: bool
) -> None:
    from matplotlib.lines import Line2D

    kinds = [kind for kind in LOOKS if any(p.kind == kind for e in found for p in e.points)]
    handles = [Line2D([], [], label=kind, **_look(kind, 10)) for kind in kinds]
    if states:
        visited = {"marker": ".", "linestyle": "", "markersize": 9, "color": _VISITED}
        handles.append(Line2D([], [], label="visited in sequences", **visited))
        handles.append(Line2D([], [], label="where the map leads from there", color=COLORS[0]))
    if circle:
        handles.append(Line2D([], [], label="|eigenvalue| = 1", color=GREY, linewidth=1.4))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)


def _title_of_multipliers(points: list[FixedPoint]) -> str:
    shown = min(len(points), _MULTIPLIERS)
    if not points:
        return "no points"
    of = f" of {len(points)}" if shown < len(points) else ""
    return f"Eigenvalues at {shown}{of} point{'s' if len(points) > 1 else ''}"


def _grid(count: int) -> "tuple[Figure, list[Axes]]":
    columns = 2 if count in (2, 4) else 3
    rows = -(-count // columns)
    figure, grid = panels(rows, columns, height=4.0)
    for axes in grid.flat[count:]:
        axes.remove()
    return figure, list(grid.flat)


def _plane(found: list[PhasePortrait]) -> Components:
    return components(torch.cat([track for each in found for track in each.map.visited]).numpy())


def _draw_states(axes: "Axes", each: PhasePortrait, pca: Components) -> None:
    """Draw the visited states, trajectories of the map, and the points."""
    visited = pca.plane(torch.cat(each.map.visited).numpy())
    axes.plot(*visited.T, ".", color=_VISITED, markersize=4, rasterized=True)
    for track in each.tracks[:_TRACKS, :_TRACK_STEPS]:
        places = pca.plane(track.numpy())
        axes.plot(*places.T, color=COLORS[0], linewidth=0.9, alpha=0.5)
        _head(axes, places)
    points = [pca.plane(point.state[None].numpy()) for point in each.points]
    shown = np.concatenate([visited, *points])
    low, high = shown.min(0), shown.max(0)
    room = np.maximum(high - low, 1e-9)
    axes.set(xlim=(low[0] - room[0] / 4, high[0] + room[0] / 4))
    axes.set(ylim=(low[1] - room[1] / 4, high[1] + room[1] / 4))
    for point, place in reversed(list(zip(each.points, points, strict=True))):
        _mark(axes, *place[0], kind=point.kind)
    axes.set(xlabel="first principal component", ylabel="second")


def _draw_multipliers(axes: "Axes", points: list[FixedPoint]) -> None:
    """Draw eigenvalues in the complex plane, with the unit circle."""
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color=GREY, linewidth=1.4)
    for point in reversed(points[:_MULTIPLIERS]):
        values = point.multipliers.numpy()
        _mark(axes, values.real, values.imag, kind=point.kind, size=6)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="real part of eigenvalue", ylabel="imaginary part")


def _head(axes: "Axes", path: Numbers) -> None:
    """Draw an arrow head where a path has gone half of its way."""
    lengths = np.hypot(*np.diff(path, axis=0).T)
    if not np.isfinite(lengths).all() or not lengths.any():
        return
    step = int(np.searchsorted(lengths.cumsum(), lengths.sum() / 2))
    look = {"arrowstyle": "-|>", "color": COLORS[0], "linewidth": 0, "mutation_scale": 14}
    middle = (path[step] + path[step + 1]) / 2
    axes.annotate("", middle, path[step], arrowprops=look, annotation_clip=True)


def _mark(axes: "Axes", x: Any, y: Any, *, kind: Kind, size: float = 12) -> None:
    axes.plot(x, y, zorder=3, **_look(kind, size))


def _look(kind: Kind, size: float) -> dict[str, Any]:
    color, marker = LOOKS[kind]
    edge = color if marker == "+" else "white"
    return {
        "marker": marker,
        "markersize": size,
        "color": color,
        "linestyle": "",
        "markeredgecolor": edge,
        "markeredgewidth": 2 if marker == "+" else 0.8,
    }
