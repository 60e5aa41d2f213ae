"""What is found inside a network: by an analysis, in its states or among its weights."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rnnlab.analysis.numerics.tree import branches, mean_states
from rnnlab.analysis.probe.labelled_trace import labelled_trace
from rnnlab.analysis.run import make
from rnnlab.errors import ConfigError
from rnnlab.inference.generate import free_run
from rnnlab.process.output import note
from rnnlab.ranges import Positive, PositiveInt, Real
from rnnlab.runs.run import Run
from rnnlab.tasks.oscillation_clamped import OscillationClamped


def of_analysis(run: Run, *, analysis: str, words: list[str], number: str, factor: Real) -> float:
    """Return a number that an analysis finds, NaN where it finds nothing to measure.

    Args:
        run: the run.
        analysis: name of the analysis.
        words: overrides of its settings, such as `analysis.steps=500`.
        number: path in the numbers that it writes, such as `exponents/0`.
        factor: the number is multiplied by it, to have another unit.
    """
    made = make(analysis, words)
    try:
        found: Any = made.analyze(run.open([], "last")).numbers
    except ConfigError as error:
        note(f"{run.path}: {error}")
        return math.nan
    for part in number.split("/"):
        found = found[part] if isinstance(found, Mapping) else found[int(part)]
    return math.nan if found is None else factor * float(found)


def machine_states(run: Run, *, num_sequences: PositiveInt, max_clusters: PositiveInt) -> float:
    """Count the states of the minimal machine that a network has become.

    NaN unless the machine is right at every step of all strings that it is tested on.

    Args:
        run: the run.
        num_sequences: strings that the machine is made from.
        max_clusters: clusters of states that are tried at most.
    """
    words = [f"analysis.num_sequences={num_sequences}", f"analysis.max_clusters={max_clusters}"]
    numbers = make("automaton", words).analyze(run.open([], "last")).numbers
    right = all(test["machine_right"] == 1 for test in numbers["by_length"].values())
    return float(numbers["num_states"]) if right else math.nan


def count_fixed_points(run: Run, *, kind: str, words: list[str]) -> float:
    """Count the fixed points of a kind that `analysis=fixed_points` finds.

    Args:
        run: the run.
        kind: `stable`, `saddle`, `unstable` or `neutral`.
        words: overrides of the analysis.
    """
    numbers = make("fixed_points", words).analyze(run.open([], "last")).numbers
    return float(sum(p["kind"] == kind for each in numbers["maps"] for p in each["points"]))


def branch_purity(
    run: Run, *, groups: list[list[str]], num_branches: PositiveInt, num_sequences: PositiveInt
) -> float:
    """Return how pure the branches are in the tree of the symbols' mean states, by direction.

    The share of symbols that belong to the commonest group of their branch; the tree is that of
    `analysis=states` with `by_direction`.

    Args:
        run: the run, of a model with a state.
        groups: symbols that should come together; those in no group don't count.
        num_branches: branches that the tree is cut into.
        num_sequences: test sequences that the states are from.
    """
    found = labelled_trace(run.open([], "last"), None, num_sequences, None)
    if found.symbols is None:
        raise ConfigError("branch_purity needs a task whose inputs have names")
    states, symbols = found.states[found.real].numpy(), found.symbols[found.real]
    means = mean_states(states, symbols, len(symbols), by_direction=True)
    kinds = [[means.names[leaf] for leaf in b] for b in branches(means.places, num_branches)]
    counts = np.array([[len({*branch} & {*group}) for group in groups] for branch in kinds])
    return float(counts.max(axis=1).sum() / counts.sum())


def basin(run: Run, *, num_starts: PositiveInt, periods: PositiveInt, near: Positive) -> float:
    """Return the share of initial states from which a discrete curve is reached.

    The clamped units begin at points drawn uniformly from a box three times as wide as the curve,
    and the network runs freely. In the last period all its points must come in their order; the
    phase doesn't count.

    Args:
        run: of `task=oscillation_clamped` with a discrete curve.
        num_starts: number of initial states.
        periods: periods that the network runs.
        near: how far from its corner each of the last points may be.

    Raises:
        ConfigError: the run is of another task.
    """
    experiment = run.open([], "last")
    task, model = experiment.task, experiment.model.eval()
    if not isinstance(task, OscillationClamped) or not task.curve.discrete:
        raise ConfigError(
            f"basin takes task=oscillation_clamped task.curve=four_corners: {run.path}"
        )
    corners = task.outline[0]  # (P, D)
    batch = task.sample("test", 0, num_starts, length=periods * len(corners))
    assert batch.initial is not None
    low, high = batch.initial.aminmax(dim=0)
    drawn = torch.from_numpy(task.rng("test", 1).uniform(-1, 2, batch.initial.shape)).float()
    answers = free_run(model, batch._replace(initial=low + (high - low) * drawn))
    turned = torch.stack([corners.roll(turn, 0) for turn in range(len(corners))])  # (P, P, D)
    apart = (answers[:, None, -len(corners) :] - turned).norm(dim=3).amax(2)  # (B, P)
    return float((apart.amin(1) < near).float().mean())


def tap_weight(run: Run, *, lag: PositiveInt) -> float:
    """Return the coefficient of a linear autoregression at a lag, from 1."""
    return _taps(run)[lag - 1]


def tap_period(run: Run) -> float:
    """Return the period of a linear autoregression with two taps, in steps.

    Yule (1927), section IV: x_t = a x_{t-1} + b x_{t-2} turns by theta a step, where
    cos(theta) = a / (2 sqrt(-b)). NaN where it doesn't oscillate.
    """
    first, second = _taps(run)
    if first**2 + 4 * second >= 0:
        return math.nan
    return 2 * math.pi / math.acos(first / (2 * math.sqrt(-second)))


def _taps(run: Run) -> list[float]:
    """Return the coefficients of a linear autoregression, of lag 1 first."""
    weights: list[float] = run.model.get_parameter("readout.weight").flatten().tolist()
    return weights
