"""Numbers of any length as rows of digits, least significant first, padded with zeros."""

from itertools import pairwise

import numpy as np

from rnnlab.tasks.splits import mix


def draw_pairs(rng: np.random.Generator, n: int, low: int, high: int) -> np.ndarray:
    """Draw pairs of numbers with `low` to `high` digits, as digits `(n, 2, high)`."""
    counts = rng.integers(low, high, endpoint=True, size=(n, 2, 1))
    digits = rng.integers(10, size=(n, 2, high))
    leading = np.arange(high) == counts - 1
    digits = np.where(leading & (counts > 1), rng.integers(1, 10, size=(n, 2, 1)), digits)
    return np.where(np.arange(high) < counts, digits, 0)


def keys(digits: np.ndarray) -> np.ndarray:
    """Return a uint64 key for each pair of numbers `(n, 2, D)`, the same in either order."""
    powers = np.uint64(10) ** np.arange(digits.shape[2], dtype=np.uint64)  # wraps beyond 19 digits
    numbers = (digits.astype(np.uint64) * powers).sum(2, dtype=np.uint64)
    return mix(numbers).sum(1, dtype=np.uint64)


def add(left: np.ndarray, right: np.ndarray, base: int = 10) -> np.ndarray:
    """Add digits `(B, D)`, least significant first -> `(B, D + 1)`."""
    sums = np.empty(
        (left.shape[1] + 1, left.shape[0]), dtype=np.int64
    )  # digits of one place are contiguous
    np.add(left.T, right.T, out=sums[:-1])
    sums[-1] = 0
    for place, above in pairwise(sums):
        carry = place >= base
        above += carry
        place -= base * carry
    return np.ascontiguousarray(sums.T)


def count(digits: np.ndarray) -> np.ndarray:
    """Return the number of digits of numbers `(B, D)` without leading zeros; 0 has one."""
    places = np.arange(1, digits.shape[1] + 1)
    return np.maximum((places * (digits > 0)).max(1), 1)


def flip(digits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Reverse the first `counts` digits of each row; those after them are undefined."""
    places = counts[:, None] - 1 - np.arange(digits.shape[1])
    return np.take_along_axis(digits, np.maximum(places, 0), axis=1)
