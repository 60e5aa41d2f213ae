"""How many of a run's patterns a network stores that doesn't learn: Hopfield's, and a softmax.

The run is one of `task=attractor_memory`, whose patterns are taken; its weights don't matter.
"""

import numpy as np

from rnnlab.analysis.numerics.hopfield import Numbers, hebb, retrieve, settle
from rnnlab.errors import ConfigError
from rnnlab.random_streams import generator
from rnnlab.ranges import Positive, PositiveInt, Probability
from rnnlab.runs.run import Run
from rnnlab.tasks.attractor_memory import AttractorMemory

_STEP = 0.002  # of the load, to which the capacity is found
_MAX_SWEEPS = 50


def overlap_at(run: Run, *, load: Positive, num_cues: PositiveInt) -> float:
    """Return the overlap of patterns with where Hopfield's net settles from them.

    Args:
        run: the run.
        load: stored patterns per unit.
        num_cues: patterns from which it begins.

    Raises:
        ConfigError: the task has fewer patterns.
    """
    patterns = _patterns(run)
    stored = round(load * patterns.shape[1])
    if stored > len(patterns):
        raise ConfigError(f"task.num_patterns must be at least {stored}, got {len(patterns)}")
    return _overlap(patterns[:stored], num_cues, run.config.seed)


def capacity(run: Run, *, overlap: Probability, num_cues: PositiveInt) -> float:
    """Return the load beyond which the overlap of `overlap_at` is below a value, by bisection.

    Args:
        run: the run.
        overlap: the value.
        num_cues: patterns from which the net begins.
    """
    patterns = _patterns(run)
    size = patterns.shape[1]
    low, high = 1, len(patterns)  # patterns stored
    while high - low > max(1, _STEP * size):
        middle = (low + high) // 2
        if _overlap(patterns[:middle], num_cues, run.config.seed) >= overlap:
            low = middle
        else:
            high = middle
    return (low + high) / 2 / size


def recalled_by_hebb(run: Run, *, flipped: PositiveInt, num_cues: PositiveInt) -> float:
    """Return the share of cues from which Hopfield's net settles in the whole pattern.

    Args:
        run: the run.
        flipped: bits of each cue that are wrong.
        num_cues: cues, each of one pattern.
    """
    patterns, cues, whole = _cues(run, flipped, num_cues)
    found = settle(hebb(patterns), cues, _rng(run.config.seed), max_sweeps=_MAX_SWEEPS)
    return float((found == whole).all(axis=1).mean())


def recalled_by_softmax(
    run: Run, *, flipped: PositiveInt, num_cues: PositiveInt, beta: Positive
) -> float:
    """Return the share of cues which one step of a softmax over patterns makes whole.

    Args:
        run: the run.
        flipped: bits of each cue that are wrong.
        num_cues: cues, each of one pattern.
        beta: inverse temperature.
    """
    patterns, cues, whole = _cues(run, flipped, num_cues)
    return float((retrieve(patterns, cues, beta=beta) == whole).all(axis=1).mean())


def _patterns(run: Run) -> Numbers:
    """Return the patterns `(P, N)` of a run's task.

    Raises:
        ConfigError: the task has none.
    """
    if not isinstance(run.task, AttractorMemory):
        raise ConfigError(f"task must be attractor_memory, got {run.config.choices.task}")
    return run.task.patterns


def _overlap(patterns: Numbers, num_cues: int, seed: int) -> float:
    cues = patterns[:num_cues]
    found = settle(hebb(patterns), cues, _rng(seed), max_sweeps=_MAX_SWEEPS)
    return float((found * cues).mean())


def _cues(run: Run, flipped: int, num_cues: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return all patterns, and the first ones with so many bits flipped of each and as they are."""
    patterns = _patterns(run)
    whole = patterns[:num_cues]
    order = _rng(run.config.seed).random(whole.shape).argsort(axis=1)
    return patterns, np.where(order < flipped, -whole, whole), whole


def _rng(seed: int) -> np.random.Generator:
    return generator(seed, "test", 0)
