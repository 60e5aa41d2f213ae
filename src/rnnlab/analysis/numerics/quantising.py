"""Extraction of a Moore machine from states: k-means clusters, and transition counts."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnlab.tasks.moore import NOTHING, Ints, Machine

Numbers = NDArray[np.floating]

_ROUNDS, _RESTARTS = 100, 4


class Strings(NamedTuple):
    """B strings of T symbols, with the answers of a network.

    Attributes:
        symbols: `(B, T)`, ids; a negative one is unknown.
        answers: `(B, T)`, ids, `NOTHING` where the mask is False.
        right: `(B, T)`, the targets.
        real: `(B, T)` bool, True up to the last answer.
    """

    symbols: Ints
    answers: Ints
    right: Ints
    real: NDArray[np.bool_]


class Table(NamedTuple):
    """A machine with one state for each pair of cluster and answer, and an initial state.

    Attributes:
        machine: the machine of the most frequent transitions.
        states: `(B, T)`, the state at each real step, `NOTHING` elsewhere.
        ambiguity: share of steps that took another transition than the most frequent one.
    """

    machine: Machine
    states: Ints
    ambiguity: float


def k_means(points: Numbers, count: int, rng: np.random.Generator) -> Numbers:
    """Cluster points by k-means, `(P, D)` -> centres `(count, D)`, or fewer for fewer points.

    Lloyd (1982), with k-means++ seeding by Arthur and Vassilvitskii (2007); the best of several
    restarts by squared distance. Points that are equal to 6 digits count once.
    `scipy.cluster.vq.kmeans2` takes 1 to 9 times as long: it doesn't stop at convergence.
    """
    points = np.unique(points.astype(np.float64).round(6), axis=0)
    if len(points) <= count:
        return points
    found = [_lloyd(points, _spread(points, count, rng)) for _ in range(_RESTARTS)]
    return min(found, key=lambda centres: float(_distances(points, centres).min(axis=1).sum()))


def nearest(points: Numbers, centres: Numbers) -> Ints:
    """Return the index of the nearest centre of each point."""
    return _distances(points, centres).argmin(axis=1)


def count_transitions(strings: Strings, clusters: Ints, num_symbols: int) -> Table:
    """Count transitions between states; a state is a pair of cluster and answer.

    Args:
        strings: symbols and answers.
        clusters: `(B, T)`, the cluster of the network's state after each symbol.
        num_symbols: K.
    """
    named = np.stack([clusters, strings.answers], axis=-1)
    known, of = np.unique(named[strings.real], axis=0, return_inverse=True)
    states = np.full(clusters.shape, NOTHING)
    states[strings.real] = of.reshape(-1)
    start = len(known)
    before = np.pad(states, ((0, 0), (1, 0)), constant_values=start)[:, :-1]
    counts = np.zeros((start + 1, num_symbols, start + 1), dtype=np.int64)
    np.add.at(counts, (before[strings.real], strings.symbols[strings.real], of.reshape(-1)), 1)
    visits = counts.sum(axis=2)
    transitions = np.where(visits > 0, counts.argmax(axis=2), NOTHING)
    machine = Machine(transitions, np.append(known[:, 1], NOTHING), start)
    lost = visits.sum() - counts.max(axis=2).sum()
    return Table(machine, states, float(lost / visits.sum()))


def agreement(machine: Machine, strings: Strings) -> float:
    """Return the share of a network's answers that a machine reproduces."""
    asked = strings.answers != NOTHING
    return float((machine.answers(strings.symbols) == strings.answers)[asked].mean())


def _spread(points: Numbers, count: int, rng: np.random.Generator) -> Numbers:
    """Draw initial centres by k-means++, with probabilities by squared distance."""
    centres = points[rng.integers(len(points), size=1)]
    away = _distances(points, centres)[:, 0]
    while len(centres) < count:
        new = points[rng.choice(len(points), size=1, p=away / away.sum())]
        centres = np.concatenate([centres, new])
        away = np.minimum(away, _distances(points, new)[:, 0])
    return centres


def _lloyd(points: Numbers, centres: Numbers) -> Numbers:
    """Iterate Lloyd's algorithm until no centre moves."""
    for _ in range(_ROUNDS):
        member = np.eye(len(centres))[nearest(points, centres)]
        counts = member.sum(axis=0)[:, None]
        moved = np.where(counts > 0, member.T @ points / np.maximum(counts, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _distances(points: Numbers, centres: Numbers) -> Numbers:
    """Return the squared distances `(P, C)`, clipped at 0."""
    apart = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
    return np.maximum(apart, 0.0)
