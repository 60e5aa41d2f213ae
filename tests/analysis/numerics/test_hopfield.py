"""Networks that store patterns, by hand and by what is known of them."""

import numpy as np
import pytest

from rnnlab.analysis.numerics.hopfield import hebb, retrieve, settle


@pytest.fixture
def patterns() -> np.ndarray:
    return np.where(np.random.default_rng(0).random((4, 100)) < 0.5, 1.0, -1.0)


def flipped(patterns: np.ndarray, bits: int) -> np.ndarray:
    return patterns * np.where(np.arange(patterns.shape[1]) < bits, -1, 1)


def test_hebbs_weights_are_those_of_hopfields_equation() -> None:
    weights = hebb(np.array([[1.0, 1, -1], [1, -1, -1]]))
    assert weights == pytest.approx(np.array([[0, 0, -2], [0, 0, 0], [-2, 0, 0]]) / 3)


def test_few_patterns_are_recalled_from_cues_with_wrong_bits(patterns) -> None:
    rng = np.random.default_rng(1)
    found = settle(hebb(patterns), flipped(patterns, 20), rng, max_sweeps=20)
    assert np.array_equal(found, patterns)


def test_units_are_updated_one_by_one_and_the_energy_never_rises() -> None:
    rng = np.random.default_rng(2)
    stored = np.where(rng.random((20, 50)) < 0.5, 1.0, -1.0)
    weights = hebb(stored)
    state = np.where(rng.random((1, 50)) < 0.5, 1.0, -1.0)
    energies = []
    for _ in range(8):
        energies.append(float(-(state @ weights @ state.T / 2).item()))
        state = settle(weights, state, rng, max_sweeps=1)
    assert np.all(np.diff(energies) <= 1e-9)
    assert energies[-1] < energies[0]
    two = np.array([[0.0, -1], [-1, 0]])  # all at once it would go to and fro
    (end,) = settle(two, np.ones((1, 2)), rng, max_sweeps=9)
    assert sorted(end) == [-1, 1]


def test_a_unit_without_input_stays(patterns) -> None:
    states = patterns[:2]
    found = settle(np.zeros((100, 100)), states, np.random.default_rng(0), max_sweeps=3)
    assert np.array_equal(found, states)


def test_a_softmax_recalls_far_more_patterns_than_units() -> None:
    many = np.where(np.random.default_rng(3).random((2000, 64)) < 0.5, 1.0, -1.0)
    assert np.array_equal(retrieve(many, flipped(many[:50], 8), beta=8.0), many[:50])
    cold = retrieve(many, flipped(many[:1], 8), beta=0.0)  # the majority of all, whatever the cue
    assert np.array_equal(cold[0], np.sign(many.mean(axis=0)))
