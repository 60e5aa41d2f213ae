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


class MeanStates(NamedTuple):
    """The mean state after each of N symbols.

    Attributes:
        names: the symbols, in alphabetical order.
        counts: `(N,)`, the number of states in each mean.
        places: `(N, D)`, the means, or their directions.
    """

    names: Sequence[str]
    counts: NDArray[np.int64]
    places: "Numbers"


def mean_states(
    states: "Numbers", symbols: NDArray[np.str_], most: int, *, by_direction: bool
) -> MeanStates:
    """Average the states after each of the most frequent symbols.

    Args:
        states: `(P, D)`, the states of all steps.
        symbols: `(P,)`, the name of each step's symbol.
        most: number of symbols at most.
        by_direction: whether means become unit vectors, from the centre of all means: how strongly
            a symbol drives the state then counts for nothing.
    """
    names, which, counts = np.unique(symbols, return_inverse=True, return_counts=True)
    common = np.sort(np.argsort(-counts, kind="stable")[:most])
    means = np.stack([states[which == symbol].mean(axis=0) for symbol in common])
    if by_direction:
        means = means - means.mean(axis=0)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        means = means / np.where(lengths > 0, lengths, 1)
    return MeanStates(names[common].tolist(), counts[common], means)


def branches(places: "Numbers", count: int) -> list[list[int]]:
    """Cut the tree of average linkage into so many branches: the indices of their leaves.

    It is scipy's, which need not be installed.
    """
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    found = [[leaf] for leaf in range(len(places))]
    while len(found) > count:
        between = (
            (distances[np.ix_(one, other)].mean(), first, second)
            for first, one in enumerate(found)
            for second, other in enumerate(found[:first])
        )
        _, first, second = min(between)
        found[second] += found.pop(first)
    return found


def grow(means: MeanStates, method: str, branches: int) -> Tree | None:
    """Cluster symbols by their mean states.

    Args:
        means: of the symbols.
        method: method of scipy's `linkage`.
        branches: number of groups that the tree is cut into at most.

    Returns:
        The tree, `None` for fewer than 3 symbols.
    """
    if len(means.names) < 3:
        return None
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage

    links = linkage(means.places, method, optimal_ordering=True)
    order = leaves_list(links)
    if len(means.names) <= branches:
        groups = np.argsort(order)
    else:
        cut = fcluster(links, branches, "maxclust")
        _, first = np.unique(cut[order], return_index=True)
        groups = np.argsort(np.argsort(first))[cut - 1]
    return Tree(means.names, means.counts, links, groups, order)
