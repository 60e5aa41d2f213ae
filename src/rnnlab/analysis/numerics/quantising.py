"""From visited states to a machine: clusters, and where the symbols lead from each."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnlab.analysis.numerics.machine import NOTHING, Ints, Machine

Numbers = NDArray[np.floating]

_ROUNDS, _RESTARTS = 100, 4


class Strings(NamedTuple):
    """B strings of T symbols, and what a net answered.

    Attributes:
        symbols: `(B, T)` ids; below 0 a symbol that is not known.
        answers: `(B, T)` ids, `NOTHING` where none was asked.
        right: `(B, T)` what would have been right.
        real: `(B, T)` bool, True up to the last step that counts.
    """

    symbols: Ints
    answers: Ints
    right: Ints
    real: NDArray[np.bool_]


class Table(NamedTuple):
    """A machine with a state a cluster and answer, and one more, the start.

    Attributes:
        machine: the transitions that most visits took.
        states: `(B, T)`, the state at each real step, `NOTHING` elsewhere.
        ambiguity: share of visits that went another way than most from their state.
        visits: `(S, K)`, how often each transition was seen.
    """

    machine: Machine
    states: Ints
    ambiguity: float
    visits: Ints


def k_means(points: Numbers, count: int, rng: np.random.Generator) -> Numbers:
    """Find the centres of clusters, `(P, D)` -> `(count, D)` or fewer where points are fewer.

    Lloyd (1982), from centres that are spread as by Arthur and Vassilvitskii (2007); the best of
    some beginnings, by the squared distances. Points that are the same to 6 digits are one.
    """
    points = np.unique(points.astype(np.float64).round(6), axis=0)
    if len(points) <= count:
        return points
    found = [_lloyd(points, _spread(points, count, rng)) for _ in range(_RESTARTS)]
    return min(found, key=lambda centres: float(_distances(points, centres).min(axis=1).sum()))


def nearest(points: Numbers, centres: Numbers) -> Ints:
    """Give the number of the nearest centre of each point."""
    return _distances(points, centres).argmin(axis=1)


def count_transitions(strings: Strings, clusters: Ints, num_symbols: int) -> Table:
    """Count where each symbol led from each state; states of one cluster differ by their answer.

    Args:
        strings: what was read and answered.
        clusters: `(B, T)` of the state after each symbol.
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
    return Table(machine, states, float(lost / visits.sum()), visits)


def agreement(machine: Machine, strings: Strings) -> float:
    """Give the share of a net's answers that a machine gives too."""
    asked = strings.answers != NOTHING
    return float((machine.answers(strings.symbols) == strings.answers)[asked].mean())


def _spread(points: Numbers, count: int, rng: np.random.Generator) -> Numbers:
    """Choose each centre with a chance that grows with its squared distance to those chosen."""
    centres = points[rng.integers(len(points), size=1)]
    away = _distances(points, centres)[:, 0]
    while len(centres) < count:
        new = points[rng.choice(len(points), size=1, p=away / away.sum())]
        centres = np.concatenate([centres, new])
        away = np.minimum(away, _distances(points, new)[:, 0])
    return centres


def _lloyd(points: Numbers, centres: Numbers) -> Numbers:
    """Move each centre into the middle of its points, until none moves."""
    for _ in range(_ROUNDS):
        member = np.eye(len(centres))[nearest(points, centres)]
        counts = member.sum(axis=0)[:, None]
        moved = np.where(counts > 0, member.T @ points / np.maximum(counts, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _distances(points: Numbers, centres: Numbers) -> Numbers:
    """Squared distances `(P, C)`, not below 0."""
    apart = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
    return np.maximum(apart, 0.0)
