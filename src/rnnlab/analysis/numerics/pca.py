"""Principal components, by the singular value decomposition of centred points."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating[Any]]


class Components(NamedTuple):
    """The axes along which points spread most; K = min(P, D).

    Attributes:
        mean: `(D,)` of the points.
        axes: `(K, D)` orthonormal rows, the widest first; the largest entry of each is positive.
        shares: `(K,)` of the variance, descending; their sum is 1, or 0 if the points are one.
    """

    mean: Numbers
    axes: Numbers
    shares: Numbers

    def project(self, points: Numbers, count: int) -> Numbers:
        """Give the places of points `(..., D)` along the first `count` axes."""
        return (points - self.mean) @ self.axes[:count].T

    def needed(self, share: float) -> int:
        """Count the axes that together hold this share of the variance."""
        held = np.cumsum(self.shares)
        return int(np.searchsorted(held, share * held[-1] * (1 - 1e-9))) + 1

    @property
    def participation(self) -> float:
        """The participation ratio 1 / sum of squared shares: a number of axes, 1 to K."""
        return float(1 / np.square(self.shares).sum()) if self.shares.any() else 0.0


def components(points: Numbers) -> Components:
    """Find the principal components of points `(P, D)`, in float64."""
    points = np.asarray(points, dtype=np.float64)
    mean = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - mean, full_matrices=False)
    largest = np.abs(axes).argmax(axis=1, keepdims=True)
    axes = axes * np.sign(np.take_along_axis(axes, largest, axis=1))
    variance = np.square(spread)
    total = variance.sum()
    return Components(mean, axes, variance / total if total > 0 else variance)
