"""Figures of the fixed and slow points of a map, and of their eigenvalues."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.analysis.figures.style import panels
from rnnlab.analysis.numerics.pca import Components, components
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
_TRACKS, _TRACK_STEPS = 30, 60
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
        _draw_multipliers(grid[0, 1], found[0].points)
    else:
        figure, grid = _grid(len(found))
        for axes, each in zip(grid, found, strict=False):
            _draw_states(axes, each, _plane(found))
            axes.set_title(each.map.reads)
    kinds = [kind for kind in LOOKS if any(p.kind == kind for e in found for p in e.points)]
    handles = [_key(kind) for kind in kinds]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(LOOKS))
    return figure


def draw_eigenvalues(found: list[PhasePortrait]) -> "Figure":
    """Draw the eigenvalues of each map's points."""
    figure, grid = _grid(len(found))
    for axes, each in zip(grid, found, strict=False):
        _draw_multipliers(axes, each.points)
        axes.set_title(each.map.reads)
    return figure


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
    axes.plot(*visited.T, ".", color="#C8C8C8", markersize=4, rasterized=True)
    for track in each.tracks[:_TRACKS, :_TRACK_STEPS]:
        axes.plot(*pca.plane(track.numpy()).T, color=COLORS[0], linewidth=0.9, alpha=0.5)
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


def _key(kind: Kind) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=kind, **_look(kind, 10))
