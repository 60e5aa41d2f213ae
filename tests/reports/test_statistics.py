"""Intervals and tests against closed forms and tables."""

import math

import numpy as np
import pytest

from rnnlab.reports.statistics import bootstrap, sign_test, summarize, wilson


def test_of_many_values_the_bootstrap_is_the_normal_interval():
    values = np.random.default_rng(7).normal(3.0, 2.0, 400)
    half = 1.959964 * values.std() / math.sqrt(len(values))
    low, high = bootstrap(values)
    assert low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_of_two_values_the_bootstrap_spans_them():
    # The mean of two draws is the lower value in a quarter of all cases.
    assert bootstrap([1.0, 2.0]) == (1.0, 2.0)


def test_the_bootstrap_is_the_same_each_time_and_for_each_column():
    one, other = np.array([0.1, 0.5, 0.7]), np.array([3.0, 1.0, 2.0])
    together = bootstrap(np.stack([one, other], axis=1))
    assert np.array_equal(np.transpose(together), [bootstrap(one), bootstrap(other)])


def test_equal_values_have_an_interval_of_no_width():
    assert bootstrap([0.25] * 8) == (0.25, 0.25)


def test_five_normal_values_are_covered_as_often_as_we_say():
    draws = np.random.default_rng(0).normal(size=(5, 2000))
    low, high = bootstrap(draws, resamples=1000)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.83, abs=0.025)


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert math.isnan(summarize([2.0]).interval.low)
    assert summarize([2.0])[:3] == (1, 2.0, 2.0)
    assert summarize([]).size == 0
    assert math.isnan(summarize([]).mean)


def test_mean_and_median():
    assert summarize([1.0, 2.0, 9.0])[:3] == (3, 4.0, 2.0)


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [  # Newcombe (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_equals_published_values(successes, count, low, high):
    assert wilson(successes, count) == pytest.approx((low, high), abs=5e-5)


def test_wilsons_interval_ends_at_0_and_at_1_exactly():
    assert wilson(0, 5).low == 0.0
    assert wilson(5, 5).high == 1.0
    assert wilson(5, 5).low == pytest.approx(1 - wilson(0, 5).high)
    assert math.isnan(wilson(0, 0).low)


def test_the_sign_test_counts_the_ways_of_a_fair_coin():
    assert sign_test(5, 0).p == 2 / 32
    assert sign_test(0, 5).p == 2 / 32
    assert sign_test(8, 2).p == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert sign_test(3, 3).p == 1.0
    assert sign_test(0, 0).p == 1.0
