"""Statistics over a few seeds: means, rates and differences, with 95 % confidence intervals."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
_Z = 1.959963984540054  # between -z and z lie 95 % of a standard normal


class Interval(NamedTuple):
    """A 95 % confidence interval; NaN if there are too few values."""

    low: float
    high: float


class Summary(NamedTuple):
    """Number of values, their mean and median, and the interval of the mean."""

    size: int
    mean: float
    median: float
    interval: Interval


class SignTest(NamedTuple):
    """Numbers of pairs that are better and worse, and the two-sided p value of the sign test."""

    better: int
    worse: int
    p: float


def summarize(values: Sequence[float]) -> Summary:
    """Summarize values; of no values mean, median and interval are NaN."""
    if not values:
        return Summary(0, math.nan, math.nan, Interval(math.nan, math.nan))
    low, high = (float(edge) for edge in bootstrap(values))
    return Summary(
        len(values), float(np.mean(values)), float(np.median(values)), Interval(low, high)
    )


def bootstrap(values: ArrayLike, resamples: int = RESAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap the 95 % percentile interval of the mean (Efron and Tibshirani 1993, chapter 13).

    It is deterministic. Of few values it is too narrow: of 5 normal ones it holds the true mean in
    83 % of cases, of 10 in 90 %. Of one value it is NaN.

    Args:
        values: `(n, ...)`; the mean is taken over the first axis.
        resamples: number of resamples of size n, the same for all other axes.

    Returns:
        The lower and the upper ends, each of shape `(...)`.
    """
    array = np.asarray(values, dtype=float)
    count = len(array)
    if count < 2:
        nothing = np.full(array.shape[1:], math.nan)
        return nothing, nothing
    means = np.tensordot(_shares(count, resamples), array, axes=1)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


@lru_cache(maxsize=2)
def _shares(count: int, resamples: int) -> NDArray[np.float64]:
    """Draw the share of each of `count` values in each resample, `(resamples, count)`."""
    rng = np.random.default_rng(0)
    return rng.multinomial(count, np.full(count, 1 / count), resamples) / count


def wilson(successes: int, count: int) -> Interval:
    """Return the score interval of a rate (Wilson 1927), which is valid at rates of 0 and 1 too."""
    if not count:
        return Interval(math.nan, math.nan)
    rate, weight = successes / count, _Z**2 / count
    middle = (rate + weight / 2) / (1 + weight)
    half = math.sqrt(rate * (1 - rate) * weight + weight**2 / 4) / (1 + weight)
    # At rates of 0 and 1 middle and half cancel, up to rounding.
    return Interval(
        middle - half if successes else 0.0, middle + half if successes < count else 1.0
    )


def sign_test(better: int, worse: int) -> SignTest:
    """Two-sided exact sign test of whether better and worse are equally likely, without ties."""
    count = better + worse
    tail = sum(math.comb(count, k) for k in range(min(better, worse) + 1))
    return SignTest(better, worse, min(1.0, 2 * tail / 2**count))
