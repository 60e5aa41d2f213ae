"""Scores of the best answers that read nothing but the present symbol."""

import numpy as np
from numpy.typing import ArrayLike


def memoryless_scores(pairs: ArrayLike) -> dict[str, float]:
    """Return `loss` in nats and `accuracy` of knowing how often answers come with symbols.

    Args:
        pairs: `(V, O)`, how often each answer comes with each symbol.
    """
    counts = np.asarray(pairs, dtype=float)
    shares = counts / counts.sum(1, keepdims=True).clip(min=1e-300)
    nats = -(counts * np.log(np.where(shares > 0, shares, 1))).sum()
    return {
        "loss": float(nats / counts.sum()),
        "accuracy": float(counts.max(1).sum() / counts.sum()),
    }
