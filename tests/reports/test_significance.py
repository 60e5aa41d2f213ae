"""Tests of paired differences against counts by hand and scipy."""

import math

import numpy as np
import pytest

from rnnlab.reports.significance import MOST_EXACT, permutation_test


def test_all_differences_of_one_sign_are_two_of_all_choices_of_signs():
    assert permutation_test([1.0, 2.0, 3.0, 4.0]) == 2 / 2**4
    assert permutation_test([-1.0, -2.0, -3.0]) == 2 / 2**3


def test_a_mean_of_zero_is_never_extreme():
    assert permutation_test([1.0, -1.0, 0.0]) == 1.0
    assert permutation_test([0.0, 0.0]) == 1.0


def test_equal_sums_count_in_spite_of_rounding():
    # 0.1 + 0.2 and 0.3 are the same sum, though not the same float.
    assert permutation_test([0.1, 0.2, -0.3]) == 1.0
    assert permutation_test([0.1, 0.2, 0.3]) == 0.25


def test_no_pairs_have_no_p():
    assert math.isnan(permutation_test([]))


@pytest.mark.parametrize("count", [3, 9, MOST_EXACT])
def test_few_pairs_are_counted_as_by_scipy(count):
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(count).normal(0.4, 1.0, count)
    found = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=2**MOST_EXACT
    )
    assert permutation_test(values) == pytest.approx(found.pvalue, abs=1e-9)


def test_of_more_pairs_permutations_are_drawn_the_same_each_time():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(0).normal(0.3, 1.0, 40)
    normal = 2 * stats.norm.sf(abs(values.sum()) / np.sqrt((values**2).sum()))
    found = permutation_test(values)
    assert found == pytest.approx(normal, abs=0.01)
    assert found == permutation_test(values)
