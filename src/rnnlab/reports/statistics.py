"""Statistics over a few seeds: means, rates and differences, with 95 % confidence intervals."""

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntervalKind = Literal["bootstrap", "t"]
RESAMPLES = 10_000
_Z = 1.959963984540054  # between -z and z lie 95 % of a standard normal


class Interval(NamedTuple):
    """A 95 % confidence interval; NaN if there are too few values."""

    low: float
    high: float


class Summary(NamedTuple):
    """Values in short.

    Attributes:
        size: their number.
        mean: their mean; NaN of no values.
        median: their median; NaN of no values.
        sd: their standard deviation, with n - 1 in the denominator; NaN of fewer than two.
        interval: the interval of the mean.
    """

    size: int
    mean: float
    median: float
    sd: float
    interval: Interval


def summarize(values: Sequence[float], interval: IntervalKind = "bootstrap") -> Summary:
    """Summarize values, with an interval of the mean by the bootstrap or by Student's t."""
    if not values:
        nan = math.nan
        return Summary(0, nan, nan, nan, Interval(nan, nan))
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    mean, median = float(np.mean(values)), float(np.median(values))
    if interval == "bootstrap":
        low, high = (float(edge) for edge in bootstrap(values))
    else:
        half = sd / math.sqrt(len(values)) * t_quantile(max(len(values) - 1, 1))
        low, high = mean - half, mean + half
    return Summary(len(values), mean, median, sd, Interval(low, high))


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


@cache
def t_quantile(freedom: int) -> float:
    """Return the t between whose negative and itself lie 95 % of Student's distribution.

    Found by bisection of the sums in closed form for whole degrees of freedom (Abramowitz and
    Stegun 1964, 26.7.3 and 26.7.4).

    Args:
        freedom: degrees of freedom, 1 or more.
    """
    low, high = 0.0, math.pi / 2  # the angle whose tangent is t / sqrt(freedom)
    for _ in range(60):
        angle = (low + high) / 2
        if _t_share(angle, freedom) < 0.95:
            low = angle
        else:
            high = angle
    return math.tan(low) * math.sqrt(freedom)


def _t_share(angle: float, freedom: int) -> float:
    """Return the share of Student's distribution between the tangents of -angle and angle."""
    odd = freedom % 2
    term, total = (math.cos(angle), 0.0) if odd else (1.0, 0.0)
    for k in range(odd, freedom - 1, 2):
        total += term
        term *= (k + 1) / (k + 2) * math.cos(angle) ** 2
    share = math.sin(angle) * total
    return (angle + share) * 2 / math.pi if odd else share
