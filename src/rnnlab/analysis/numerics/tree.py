"""Hierarchical clustering of symbols by the mean states after them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
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
