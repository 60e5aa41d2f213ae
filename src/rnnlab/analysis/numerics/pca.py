"""Principal components, by the singular value decomposition of centred points."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating[Any]]


class Components(NamedTuple):
    """Principal components of P points; K = min(P, D).

    Attributes:
        mean: `(D,)`, the mean of the points.
        axes: `(K, D)`, orthonormal rows by descending variance; the largest entry is positive.
        shares: `(K,)`, shares of the variance, with sum 1, or 0 if all points are equal.
    """

    mean: Numbers
    axes: Numbers
    shares: Numbers

    def project(self, points: Numbers, count: int) -> Numbers:
        """Project points `(..., D)` onto the first `count` axes, `(..., count)`."""
        return (points - self.mean) @ self.axes[:count].T

    def plane(self, points: Numbers) -> Numbers:
        """Project points `(P, D)` to `(P, 2)`; one-dimensional points get a second number 0."""
        places = self.project(points, 2)
        return np.pad(places, ((0, 0), (0, 2 - places.shape[1])))

    def needed(self, share: float) -> int:
        """Return the number of components that explain a share of the variance."""
        held = np.cumsum(self.shares)
        return int(np.searchsorted(held, share * held[-1] * (1 - 1e-9))) + 1

    @property
    def participation(self) -> float:
        """The participation ratio 1 / (sum of squared shares), from 1 to K."""
        return float(1 / np.square(self.shares).sum()) if self.shares.any() else 0.0


def components(points: Numbers) -> Components:
    """Compute the principal components of points `(P, D)` in float64."""
    points = np.asarray(points, dtype=np.float64)
    mean = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - mean, full_matrices=False)
    largest = np.abs(axes).argmax(axis=1, keepdims=True)
    axes = axes * np.sign(np.take_along_axis(axes, largest, axis=1))
    variance = np.square(spread)
    total = variance.sum()
    return Components(mean, axes, variance / total if total > 0 else variance)
