"""Drawing of a finite state machine as a graph: circles are states, arrows transitions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnnlab.analysis.numerics.machine import arrows
from rnnlab.analysis.numerics.pca import components
from rnnlab.plots.palette import GREY
from rnnlab.tasks.moore import NOTHING, Machine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Places = NDArray[np.float64]

_CIRCLE = 8  # most states on one circle
_SHOWN = 4  # most symbols named on an arrow
_NAMED = 60  # most arrows with labels


def draw_machine(
    axes: "Axes",
    machine: Machine,
    *,
    symbols: Sequence[str],
    answers: Sequence[str],
    colors: Sequence[str],
) -> None:
    """Draw a machine; an arrow without an origin marks the initial state.

    Arrows and what is read on them have the colour of the state that they leave.
    """
    from matplotlib.patches import Circle

    places, drawn = place_states(machine), arrows(machine)
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    few = len(places) <= _CIRCLE
    radius = min(0.2, (0.32 if few else 0.22) * float(apart[apart > 0].min(initial=1.0)))
    size = 15 if few else 11 if radius > 0.045 else 9
    outward = _outward(places)
    for (state, following), read in drawn.items():
        look: dict[str, Any] = {"size": size, "color": colors[state], "zorder": 4}
        if state == following:
            direction = _turn(outward[state], np.pi / 3 if state == machine.start else 0.0)
            curve = _loop(places[state], direction, radius)
            label = places[state] + 2.25 * radius * direction
            look |= _beyond(direction)
        else:
            there_and_back = (following, state) in drawn
            curve = _bow(places[state], places[following], radius, 0.3 if there_and_back else 0.1)
            label = _along(curve, 0.5 if there_and_back or not few else 0.3)
            label = label if few else label + 0.6 * radius * _left(curve[-1] - curve[0])
            look |= _MIDDLE | ({"bbox": _BLANK} if few else {})
        _arrow(axes, curve, 18 if few else 9, colors[state])
        if len(drawn) <= _NAMED:
            axes.text(*label, _spell(symbols, read), **look)
    edge = places[machine.start] + radius * outward[machine.start]
    tail = edge + max(1.6 * radius, 0.12) * outward[machine.start]
    _arrow(axes, np.array([tail, edge]), 18 if few else 9, GREY)
    for state, (place, output) in enumerate(zip(places, machine.outputs.tolist(), strict=True)):
        axes.add_patch(Circle(tuple(place), radius, color=colors[state], zorder=5))
        text = "" if output == NOTHING else answers[output]
        axes.text(*place, text, size=size + 4, color="white", weight="bold", zorder=6, **_MIDDLE)
    axes.set_aspect("equal")
    axes.axis("off")
    room = max(4.2 * radius, 0.2)
    low, high = places.min(axis=0) - room, places.max(axis=0) + room
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def place_states(machine: Machine) -> Places:
    """Place the states `(S, 2)`: few on a circle, more so that arrows are about equally long.

    More are placed by Kamada and Kawai (1989), which minimises the squared difference between
    distances and numbers of arrows on the shortest way.
    """
    count = len(machine.outputs)
    angle = np.pi - 2 * np.pi * np.arange(count) / count  # the initial state is left
    places = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (count > 1)
    if count <= _CIRCLE:
        return places
    import networkx as nx

    graph = nx.Graph([*arrows(machine)])
    laid_out = nx.kamada_kawai_layout(graph, pos=dict(enumerate(places)))
    places = np.array([laid_out[state] for state in range(count)])
    places = components(places).project(places, 2)  # the longer axis is horizontal
    if places[machine.start, 0] > 0:
        places[:, 0] *= -1
    return places / np.abs(places).max()


_MIDDLE: dict[str, Any] = {"ha": "center", "va": "center"}
_BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}


def _beyond(direction: Places) -> dict[str, Any]:
    """Return the alignment of a text that lies in a direction from its place."""
    across, up = direction.tolist()
    return {
        "ha": "left" if across > 0.5 else "right" if across < -0.5 else "center",
        "va": "bottom" if up > 0.5 else "top" if up < -0.5 else "center",
    }


def _spell(symbols: Sequence[str], read: Sequence[int]) -> str:
    named = ", ".join(symbols[symbol] for symbol in read[:_SHOWN])
    return named if len(read) <= _SHOWN else f"{named}, … ({len(read)})"


def _outward(places: Places) -> Places:
    """Return the direction from the centre through each place, left for the centre itself."""
    away = places - places.mean(axis=0)
    length = np.linalg.norm(away, axis=1, keepdims=True)
    return np.where(length > 1e-6, away / np.maximum(length, 1e-6), [-1.0, 0.0])


def _turn(direction: Places, angle: float) -> Places:
    turned: Places = (
        np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ direction
    )
    return turned


def _left(along: Places) -> Places:
    """Return the unit vector to the left of a direction."""
    return np.array([-along[1], along[0]]) / np.linalg.norm(along)


def _bow(begin: Places, end: Places, radius: float, bend: float) -> Places:
    """Return a curve that is bent to its left, so that the reverse arrow does not overlap."""
    length = float(np.linalg.norm(end - begin))
    knee = (begin + end) / 2 + bend * length * _left(end - begin)
    ends = [p + radius * (knee - p) / np.linalg.norm(knee - p) for p in (begin, end)]
    return np.array([ends[0], knee, ends[1]])


def _along(curve: Places, share: float) -> Places:
    """Return a point on a quadratic Bezier curve."""
    weights = np.array([(1 - share) ** 2, 2 * share * (1 - share), share**2])
    return weights @ curve


def _loop(place: Places, direction: Places, radius: float) -> Places:
    near = [place + radius * _turn(direction, side) for side in (0.5, -0.5)]
    far = [place + 2.9 * radius * _turn(direction, side) for side in (0.55, -0.55)]
    return np.array([near[0], *far, near[1]])


def _arrow(axes: "Axes", curve: Places, head: float, color: str) -> None:
    """Draw an arrow along a line or Bezier curve of 2 to 4 points."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    codes = [Path.MOVETO, *[{2: Path.LINETO, 3: Path.CURVE3, 4: Path.CURVE4}[len(curve)]] * 3]
    axes.add_patch(
        FancyArrowPatch(
            path=Path(curve, codes[: len(curve)]),
            arrowstyle="-|>",
            mutation_scale=head,
            linewidth=head / 10,
            color=color,
            zorder=3,
        )
    )
