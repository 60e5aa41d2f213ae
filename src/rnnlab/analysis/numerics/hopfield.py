"""Networks that store patterns without learning: Hopfield's, and the one of a softmax."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def hebb(patterns: Numbers) -> Numbers:
    """Return Hebb's weights `(N, N)` of patterns `(P, N)` of +1 and -1.

        W = X^T X / N, and 0 on the diagonal

    Hopfield (1982), Neural networks and physical systems with emergent collective computational
    abilities, eq. 2.
    """
    weights = patterns.T @ patterns / patterns.shape[1]
    np.fill_diagonal(weights, 0)
    return weights


def settle(
    weights: Numbers, states: Numbers, rng: np.random.Generator, *, max_sweeps: int
) -> Numbers:
    """Update units one by one until none changes: states `(B, N)` -> `(B, N)`.

    Each unit becomes the sign of its input, and stays at an input of 0. A sweep updates all units
    in a random order, the same for all states; with symmetric weights the energy only falls.

    Args:
        weights: `(N, N)`.
        states: `(B, N)`, of +1 and -1.
        rng: of the orders.
        max_sweeps: after so many it ends, settled or not.
    """
    units = states.T.copy()  # (N, B): a row is one unit in all states
    for _ in range(max_sweeps):
        before = units.copy()
        for unit in rng.permutation(len(units)):
            total = weights[unit] @ units
            units[unit] = np.where(total == 0, units[unit], np.sign(total))
        if np.array_equal(units, before):
            break
    return units.T


def retrieve(patterns: Numbers, states: Numbers, *, beta: float) -> Numbers:
    """Update all units once by a softmax over patterns `(P, N)`: states `(B, N)` -> `(B, N)`.

        s' = sign(X^T softmax(beta X s))

    Ramsauer et al. (2020), Hopfield networks is all you need, eq. 3, of which the signs are taken.

    Args:
        patterns: `(P, N)`, of +1 and -1.
        states: `(B, N)`.
        beta: inverse temperature; at a large one the nearest pattern is the answer.
    """
    scores = beta * states @ patterns.T
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.sign(shares / shares.sum(axis=1, keepdims=True) @ patterns)
