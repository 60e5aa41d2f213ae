"""Figures of states as points in the plane and in space, coloured by symbol or time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnlab.analysis.figures.style import CYCLIC, new_figure, shades
from rnnlab.analysis.numerics.pca import Components, Numbers
from rnnlab.analysis.numerics.tree import Tree
from rnnlab.plots.palette import COLORS, GREY, MARKERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Hue = Literal["symbol", "position", "phase"]

_REST = "#BBBBBB"
_MOST_NAMES = 8  # symbols of a group in a legend
_MOST_SYMBOLS = 16  # with a look of their own


class StepLabels(NamedTuple):
    """The labels of the P real steps of all sequences.

    Attributes:
        symbol: `(P,)`, the name of the input, or `None`.
        position: `(P,)`, the step in its sequence, from 0.
        sequence: `(P,)`, the number of the sequence, from 0.
        phase: `(P,)`, the phase of the target in turns, or `None`.
    """

    symbol: NDArray[np.str_] | None
    position: NDArray[np.int64]
    sequence: NDArray[np.int64]
    phase: Numbers | None


class Cloud(NamedTuple):
    """The states of all steps as points.

    Attributes:
        points: `(P, D)`.
        components: their principal components.
        places: `(P, 3)`, or fewer: projections onto the first components.
        tree: the clustering of the symbols, or `None`.
    """

    points: Numbers
    components: Components
    places: Numbers
    tree: Tree | None


def group_names(tree: Tree) -> list[str]:
    """Return the symbols of each group as a label, the most frequent ones in tree order."""
    names = []
    for group in range(tree.groups.max() + 1):
        leaves = [leaf for leaf in tree.order if tree.groups[leaf] == group]
        common = sorted(leaves, key=lambda leaf: -tree.counts[leaf])[:_MOST_NAMES]
        shown = [tree.names[leaf] for leaf in leaves if leaf in common]
        names.append(" ".join(shown) + (" ..." if len(leaves) > _MOST_NAMES else ""))
    return names


def draw_cloud(cloud: Cloud, steps: StepLabels, hue: Hue, name: str, num_lines: int) -> "Figure":
    """Draw the states along two and, if they have so many, three principal components.

    Args:
        cloud: the states.
        steps: the labels of their steps.
        hue: which label colours show.
        name: name of the state vector.
        num_lines: number of sequences whose points are joined by lines.
    """
    shares = cloud.components.shares[: cloud.places.shape[1]]
    labels = [f"component {i + 1} ({share:.0%})" for i, share in enumerate(shares)]
    places = cloud.places
    if len(labels) == 1:
        labels, places = ["step", *labels], np.column_stack([steps.position, places])
    deep = len(labels) > 2
    figure = new_figure(13.3 if deep else 9.0, 7.0)
    plane = figure.add_subplot(1, 1 + deep, 1, xlabel=labels[0], ylabel=labels[1])
    joined = {0: "", 1: "; the line joins one sequence"}
    said = joined.get(num_lines, f"; lines join each of {num_lines} sequences")
    plane.set_title(f"{name} states{said}")
    panels = [(plane, places[:, :2])]
    if deep:
        space = figure.add_subplot(1, 2, 2, projection="3d")
        for axis, label in zip("xyz", labels, strict=True):
            getattr(space, f"set_{axis}label")(label.split(" (")[0], labelpad=-4)
            getattr(space, f"set_{axis}ticklabels")([])
        panels.append((space, places))
    for axes, values in panels:
        for sequence in range(num_lines):
            axes.plot(
                *values[steps.sequence == sequence].T, color="#888888", linewidth=0.8, zorder=1
            )
    if hue == "symbol":
        _draw_groups(figure, panels, cloud.tree, steps)
    else:
        _draw_scale(figure, panels, hue, steps)
    return figure


def _draw_groups(figure: "Figure", panels: Any, tree: Tree | None, steps: StepLabels) -> None:
    """Give each symbol a colour and a marker, or if there are too many, each branch of the tree."""
    assert steps.symbol is not None
    looks = _looks(tree, steps.symbol)
    rest = ~np.isin(steps.symbol, [name for names, *_ in looks for name in names])
    size = _size(steps)
    for axes, values in panels:
        axes.scatter(*values[rest].T, s=size, color=_REST, linewidths=0)
        dots = [
            axes.scatter(
                *values[np.isin(steps.symbol, names)].T,
                s=size * (1 if marker == MARKERS[0] else 1.4),
                color=color,
                marker=marker,
                linewidths=0,
                label=f" {label}",  # a legend leaves out what begins with `_`
            )
            for names, label, color, marker in looks
        ]
    columns = min(len(looks), max(1, 110 // (6 + max(len(label) for _, label, *_ in looks))))
    legend = figure.legend(handles=dots, loc="outside lower center", ncols=columns)
    for handle in legend.legend_handles:
        handle.set_sizes([70])


def _looks(tree: Tree | None, symbols: NDArray[np.str_]) -> list[tuple[list[str], str, str, str]]:
    """Return names, label, colour and marker of each symbol, or of each branch of the tree."""
    if tree is None:
        return [([name], name, COLORS[0], MARKERS[0]) for name in np.unique(symbols)]
    groups = [
        [name for name, of in zip(tree.names, tree.groups, strict=True) if of == group]
        for group in range(tree.groups.max() + 1)
    ]
    named = zip(groups, group_names(tree), COLORS, strict=False)
    if len(tree.names) > _MOST_SYMBOLS or max(map(len, groups)) > len(MARKERS):
        return [(names, label, color, MARKERS[0]) for names, label, color in named]
    return [
        ([name], name, color, marker)
        for names, _, color in named
        for name, marker in zip(names, MARKERS, strict=False)
    ]


def _draw_scale(figure: "Figure", panels: Any, hue: Hue, steps: StepLabels) -> None:
    """Colour the points by a number, with a colour bar."""
    values: Any
    if hue == "phase":
        values, most, label = steps.phase, 1, "phase of the target in turns"
        look: dict[str, Any] = {"cmap": CYCLIC, "linewidths": 0.5, "edgecolors": GREY}
    else:
        values, most, label = steps.position, steps.position.max(), "step"
        look = {"cmap": shades(lightest=0.25), "linewidths": 0}
    for axes, places in panels:
        dots = axes.scatter(*places.T, c=values, vmin=0, vmax=most, s=_size(steps), **look)
    figure.colorbar(dots, ax=[axes for axes, _ in panels], label=label, shrink=0.7, pad=0.04)


def _size(steps: StepLabels) -> float:
    """Return the size of a dot, smaller for more steps."""
    return float(np.clip(30000 / len(steps.position), 8, 40))


def draw_variance(clouds: Mapping[str, Cloud]) -> "Figure":
    """Draw the cumulative explained variance of each state vector."""
    figure = new_figure(height=5.4)
    axes = figure.subplots()
    for color, (name, cloud) in zip(COLORS, clouds.items(), strict=False):
        found = cloud.components
        held = np.cumsum(found.shares)[: max(20, found.needed(0.95))]
        axes.plot(np.arange(1, len(held) + 1), held, "o-", color=color, label=name, markersize=6)
    axes.axhline(0.9, color=GREY, linewidth=1.5, linestyle="--")
    axes.text(0.995, 0.9, "90 %", va="bottom", ha="right", transform=axes.get_yaxis_transform())
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="components", ylabel="share of variance held", ylim=(0, 1.03))
    axes.legend(loc="lower right")
    return figure


def draw_tree(tree: Tree, name: str) -> "Figure":
    """Draw a tree of symbols, with its leaves on the right if their names are long."""
    from matplotlib.collections import LineCollection
    from scipy.cluster.hierarchy import dendrogram

    branch = list(tree.groups)
    for left, right, *_ in tree.links:
        one, other = branch[int(left)], branch[int(right)]
        branch.append(one if one == other else -1)

    def color(node: int) -> str:
        return _REST if branch[node] < 0 else COLORS[branch[node] % len(COLORS)]

    plan = dendrogram(tree.links, no_plot=True, link_color_func=color)
    names = [tree.names[leaf] for leaf in plan["leaves"]]
    sideways = max(map(len, names)) > 3
    figure = new_figure(height=max(5.4, 1.5 + 0.24 * len(names)) if sideways else 5.4)
    axes = figure.subplots()
    axes.set_title(f"symbols by their mean {name} state; a colour for each branch")
    bends = [np.column_stack(pair) for pair in zip(plan["icoord"], plan["dcoord"], strict=True)]
    lines = [bend[:, ::-1] if sideways else bend for bend in bends]
    axes.add_collection(LineCollection(lines, colors=plan["color_list"], linewidths=2))
    top, end = 1.03 * tree.links[:, 2].max(), 10 * len(names)
    axes.set(xlim=(top, 0) if sideways else (0, end), ylim=(0, end if sideways else top))
    along, up = (axes.yaxis, axes.xaxis) if sideways else (axes.xaxis, axes.yaxis)
    along.set_ticks(5 + 10 * np.arange(len(names)), names)
    up.set_label_text("distance between mean states")
    axes.grid(visible=False)
    axes.tick_params(axis="y" if sideways else "x", length=0, labelsize=14)
    axes.spines["left" if sideways else "bottom"].set_visible(False)
    if sideways:
        axes.yaxis.tick_right()
    for label, leaf in zip(along.get_ticklabels(), plan["leaves"], strict=True):
        alone = branch.count(branch[leaf]) == 1  # no branch has its colour
        label.set_color(GREY if alone else color(leaf))
    return figure
