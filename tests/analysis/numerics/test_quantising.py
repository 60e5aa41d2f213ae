"""Clusters of known points, and tables counted by hand."""

import numpy as np
import pytest

from rnnlab.analysis.numerics.quantising import (
    Strings,
    agreement,
    count_transitions,
    k_means,
    nearest,
)
from rnnlab.tasks.moore import NOTHING, Machine


def strings(symbols, answers, right=None) -> Strings:
    symbols, answers = np.array(symbols), np.array(answers)
    return Strings(symbols, answers, answers if right is None else right, symbols >= 0)


@pytest.mark.parametrize("seed", range(10))
def test_clusters_far_apart_are_found_each_with_its_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    of = np.arange(300) % 6
    points = 10 * np.eye(6)[of] + rng.normal(0, 0.1, (300, 6))
    centres = k_means(points, 6, rng)
    found = nearest(points, centres)
    assert len({(a, b) for a, b in zip(of.tolist(), found.tolist(), strict=True)}) == 6
    for number in range(6):
        np.testing.assert_allclose(
            centres[found[number]], points[of == number].mean(axis=0), atol=1e-5
        )


def test_points_fewer_than_clusters_are_their_own_centres() -> None:
    points = np.array([[0.0, 1], [0, 1], [2, 3], [2, 3 + 1e-9]])
    centres = k_means(points, 5, np.random.default_rng(0))
    assert centres.tolist() == [[0, 1], [2, 3]]


def test_the_beginning_decides_all_that_is_drawn() -> None:
    points = np.random.default_rng(0).normal(size=(200, 3))
    one, other = (k_means(points, 7, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_most_visits_decide_and_the_rest_is_told_of() -> None:
    read = strings([[0, 0], [0, 0], [0, 0], [0, -1]], [[5, 6], [5, 6], [5, 5], [5, NOTHING]])
    clusters = np.array([[0, 1], [0, 1], [0, 0], [0, 9]])
    table = count_transitions(read, clusters, 2)
    # States: (cluster 0, answer 5), (cluster 1, answer 6), and the start.
    assert table.machine.outputs.tolist() == [5, 6, NOTHING]
    assert table.machine.transitions.tolist() == [[1, NOTHING], [NOTHING] * 2, [0, NOTHING]]
    assert table.machine.start == 2
    assert table.ambiguity == pytest.approx(1 / 7)
    assert table.states.tolist() == [[0, 1], [0, 1], [0, 0], [0, NOTHING]]


def test_states_of_one_cluster_differ_by_their_answer() -> None:
    table = count_transitions(strings([[0, 1]], [[3, 4]]), np.zeros((1, 2), dtype=int), 2)
    assert table.machine.outputs.tolist() == [3, 4, NOTHING]


def test_agreement_counts_answered_steps_alone() -> None:
    always = Machine(np.array([[0]]), np.array([1]), 0)
    assert agreement(always, strings([[0, 0, 0, 0]], [[1, NOTHING, 2, 1]])) == pytest.approx(2 / 3)
