"""Trees of symbols whose mean states stand at known places."""

import numpy as np
import pytest

from rnnlab.analysis.numerics.tree import MeanStates, branches, grow, mean_states

PLACES = {"a": 0.0, "b": 1.0, "y": 10.0, "z": 12.0}


def states(counts: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """As many states of each symbol, spread evenly about its place."""
    points = [[PLACES[name], side] for name, n in counts.items() for side in np.linspace(-1, 1, n)]
    return np.array(points), np.array([name for name, n in counts.items() for _ in range(n)])


def means(counts: dict[str, int], most: int = 10) -> MeanStates:
    return mean_states(*states(counts), most, by_direction=False)


def test_near_symbols_are_joined_first_at_the_distance_of_their_means() -> None:
    pytest.importorskip("scipy")
    tree = grow(means({"z": 2, "b": 3, "a": 5, "y": 4}), "average", 2)
    assert tree.names == ["a", "b", "y", "z"]
    assert tree.counts.tolist() == [5, 3, 4, 2]
    assert tree.links[:, 2] == pytest.approx([1, 2, (10 + 12 + 9 + 11) / 4])
    groups = dict(zip(tree.names, tree.groups, strict=True))
    assert groups["a"] == groups["b"] != groups["y"] == groups["z"]
    assert sorted(tree.groups[tree.order]) == list(tree.groups[tree.order])


def test_the_linkage_is_the_one_asked_for() -> None:
    pytest.importorskip("scipy")
    points = means({"a": 1, "b": 1, "y": 1, "z": 1})
    tops = [grow(points, method, 4).links[-1, 2] for method in ("single", "complete")]
    assert tops == pytest.approx([9, 12])


def test_rare_symbols_are_left_out() -> None:
    pytest.importorskip("scipy")
    tree = grow(means({"a": 5, "b": 4, "y": 1, "z": 3}, 3), "average", 8)
    assert tree.names == ["a", "b", "z"]
    assert sorted(tree.groups.tolist()) == [0, 1, 2]
    assert grow(means({"a": 5, "b": 4}), "average", 8) is None


@pytest.mark.parametrize("names", [[*"abyz"], ["apple", "bean", "yew", "zucchini"]])
def test_leaves_are_named_where_they_stand(names: list[str]) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    from rnnlab.analysis.figures.cloud import draw_tree

    found = means({"a": 1, "b": 1, "y": 1, "z": 1})._replace(names=names)
    tree = grow(found, "average", 2)
    (axes,) = draw_tree(tree, "hidden").axes
    axis = axes.yaxis if len(names[0]) > 3 else axes.xaxis
    shown = [(label.get_text(), label.get_color()) for label in axis.get_ticklabels()]
    assert [name for name, _ in shown] == [tree.names[leaf] for leaf in tree.order]
    colors = dict(shown)
    assert colors[names[0]] == colors[names[1]] != colors[names[2]] == colors[names[3]]


def test_branches_are_those_of_average_linkage() -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    places = np.random.default_rng(0).normal(size=(20, 3))
    links = hierarchy.linkage(places, "average")
    for count in (1, 2, 5, 20):
        cut = hierarchy.fcluster(links, count, "maxclust")
        due = {frozenset(np.flatnonzero(cut == number).tolist()) for number in cut}
        assert {frozenset(branch) for branch in branches(places, count)} == due


def test_directions_are_from_the_centre_and_of_length_one() -> None:
    points = np.array([[3.0, 1.0], [5.0, 1.0], [4.0, 1.5], [4.0, 0.5]])
    found = mean_states(points, np.array([*"abcd"]), 10, by_direction=True)
    assert found.places == pytest.approx(np.array([[-1.0, 0], [1, 0], [0, 1], [0, -1]]))
    same = mean_states(np.ones((2, 2)), np.array([*"ab"]), 10, by_direction=True)
    assert not same.places.any()
