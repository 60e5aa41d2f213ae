"""Whether paired runs differ: their mean difference, a sign test and a permutation test."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnlab.reports.statistics import IntervalKind, Summary, summarize

MOST_EXACT = 16  # pairs, all of whose 65,536 permutations are counted
PERMUTATIONS = 20_000  # that are drawn of more pairs
_ROUNDING = 1e-9  # share by which sums differ that are equal but for rounding
_AT_ONCE = 1000


class SignTest(NamedTuple):
    """Numbers of pairs that are better and worse, and the two-sided p value of the sign test."""

    better: int
    worse: int
    p: float


class Evidence(NamedTuple):
    """What pairs of runs tell, one of each pair against the other.

    Attributes:
        difference: statistics of `one - other`, over the pairs of which both have the metric.
        signs: sign test over the pairs; a failure is worse than any value.
        permutation_p: p value of the permutation test of the differences.
    """

    difference: Summary
    signs: SignTest
    permutation_p: float


def compare_pairs(
    scores: Sequence[tuple[float, float]], interval: IntervalKind, *, lower_is_better: bool
) -> Evidence:
    """Compare the scores of pairs of runs, NaN where a run failed."""
    differences = [one - other for one, other in scores if not math.isnan(one - other)]
    gains = [-difference if lower_is_better else difference for difference in differences]
    failed = [(math.isnan(one), math.isnan(other)) for one, other in scores]
    signs = sign_test(
        better=sum(gain > 0 for gain in gains) + failed.count((False, True)),
        worse=sum(gain < 0 for gain in gains) + failed.count((True, False)),
    )
    return Evidence(summarize(differences, interval), signs, permutation_test(differences))


def sign_test(better: int, worse: int) -> SignTest:
    """Two-sided exact sign test of whether better and worse are equally likely, without ties."""
    count = better + worse
    tail = sum(math.comb(count, k) for k in range(min(better, worse) + 1))
    return SignTest(better, worse, min(1.0, 2 * tail / 2**count))


def permutation_test(differences: Sequence[float]) -> float:
    """Two-sided p value of the permutation test of paired differences (Fisher 1935, section 21).

    If the two of each pair could as well be exchanged, each difference has either sign. p is the
    share of all choices of signs by which the mean is as far from 0 as it is: of up to `MOST_EXACT`
    pairs of all choices, else of `PERMUTATIONS` that NumPy's PCG64 draws, seeded with 0, and of the
    one observed. It is NaN of no pairs.
    """
    values = np.asarray(differences, dtype=float)
    least = abs(values.sum()) * (1 - _ROUNDING)
    if not len(values):
        return math.nan
    if len(values) <= MOST_EXACT:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums - value, sums + value])
        return float(np.mean(np.abs(sums) >= least))
    rng = np.random.Generator(np.random.PCG64(0))
    extreme = 1
    for _ in range(0, PERMUTATIONS, _AT_ONCE):
        signs = 2.0 * rng.integers(2, size=(_AT_ONCE, len(values))) - 1
        extreme += int(np.sum(np.abs(signs @ values) >= least))
    return extreme / (1 + PERMUTATIONS)
