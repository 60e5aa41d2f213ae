"""Hierarchical clustering of symbols by the mean states after them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rnnlab.analysis.numerics.pca import Numbers


class Tree(NamedTuple):
    """A tree of N symbols, clustered by the distances of their mean states.

    Attributes:
        names: the symbols, which are the leaves.
        counts: `(N,)`, the number of states in each mean.
        links: `(N - 1, 4)`, as of scipy's `linkage`: two nodes, their distance, number of leaves.
        groups: `(N,)`, the branch of each leaf, numbered from 0 in the order of the leaves.
        order: `(N,)`, the leaves in the order of drawing.
    """

    names: Sequence[str]
    counts: NDArray[np.int64]
    links: "Numbers"
    groups: NDArray[np.int64]
    order: NDArray[np.int64]


def grow(
    states: "Numbers", symbols: NDArray[np.str_], most: int, method: str, branches: int
) -> Tree | None:
    """Cluster the most frequent symbols by their mean states.

    Args:
        states: `(P, D)`, the states of all steps.
        symbols: `(P,)`, the name of each step's symbol.
        most: number of symbols at most.
        method: method of scipy's `linkage`.
        branches: number of groups that the tree is cut into at most.

    Returns:
        The tree, `None` for fewer than 3 symbols.
    """
    names, which, counts = np.unique(symbols, return_inverse=True, return_counts=True)
    common = np.sort(np.argsort(-counts, kind="stable")[:most])
    if len(common) < 3:
        return None
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage

    means = np.stack([states[which == symbol].mean(axis=0) for symbol in common])
    links = linkage(means, method, optimal_ordering=True)
    order = leaves_list(links)
    if len(common) <= branches:
        groups = np.argsort(order)
    else:
        cut = fcluster(links, branches, "maxclust")
        _, first = np.unique(cut[order], return_index=True)
        groups = np.argsort(np.argsort(first))[cut - 1]
    return Tree(names[common].tolist(), counts[common], links, groups, order)


def draw_tree(axes: "Axes", tree: Tree, colors: Sequence[str], rest: str) -> None:
    """Draw a tree with its leaves below, or on the right if their names are long."""
    from matplotlib.collections import LineCollection
    from scipy.cluster.hierarchy import dendrogram

    sideways = max(map(len, tree.names)) > 3
    branch = list(tree.groups)
    for left, right, *_ in tree.links:
        one, other = branch[int(left)], branch[int(right)]
        branch.append(one if one == other else -1)

    def color(node: int) -> Any:
        return rest if branch[node] < 0 else colors[branch[node] % len(colors)]

    plan = dendrogram(tree.links, no_plot=True, link_color_func=color)
    bends = [np.column_stack(pair) for pair in zip(plan["icoord"], plan["dcoord"], strict=True)]
    lines = [bend[:, ::-1] if sideways else bend for bend in bends]
    axes.add_collection(LineCollection(lines, colors=plan["color_list"], linewidths=2))
    places = 5 + 10 * np.arange(len(tree.names))
    names = [tree.names[leaf] for leaf in plan["leaves"]]
    top = 1.03 * tree.links[:, 2].max()
    along, up = (axes.yaxis, axes.xaxis) if sideways else (axes.xaxis, axes.yaxis)
    along.set_ticks(places, names)
    up.set_label_text("distance between mean states")
    axes.set(
        **{"xlim": (top, 0), "ylim": (0, 10 * len(names))}
        if sideways
        else {"xlim": (0, 10 * len(names)), "ylim": (0, top)}
    )
    axes.grid(visible=False)
    axes.tick_params(axis="y" if sideways else "x", length=0, labelsize=14)
    if sideways:
        axes.yaxis.tick_right()
        axes.spines["left"].set_visible(False)
    else:
        axes.spines["bottom"].set_visible(False)
    for label, leaf in zip(along.get_ticklabels(), plan["leaves"], strict=True):
        label.set_color(color(leaf))
