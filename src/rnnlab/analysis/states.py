"""States of a model: principal components, trajectories, clustering of symbols."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from rnnlab.analysis.base import Analysis, Findings, Picture, ProjectorPoints, Rows
from rnnlab.analysis.figures.cloud import (
    Cloud,
    Hue,
    StepLabels,
    draw_cloud,
    draw_tree,
    draw_variance,
    group_names,
)
from rnnlab.analysis.numerics.pca import Numbers, components
from rnnlab.analysis.numerics.tree import grow, mean_states
from rnnlab.analysis.probe.labelled_trace import LabelledTrace, labelled_trace, layer_parts
from rnnlab.analysis.probe.system import stateful
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.plots.palette import COLORS
from rnnlab.ranges import Count, PositiveInt
from rnnlab.tasks.base import Task


@dataclass(frozen=True, kw_only=True)
class States(Analysis):
    """Principal components of the states, and a hierarchical clustering of the symbols.

    Elman (1990), section on word classes, for the tree of mean hidden states; Elman (1991) for
    trajectories along principal components.

    Args:
        system: a part of the model; `null` is the network, or the encoder.
        layer: the layer, from 1; `null` is the highest.
        color: label shown by colours; `auto` is the first of phase, symbol and position that the
            task has.
        num_sequences: number of test sequences.
        length: length of the sequences as the task counts it, or `null`.
        num_trajectories: number of sequences whose points are joined by lines.
        num_symbols: number of symbols in the tree, the most frequent ones.
        linkage: distance between clusters of states.
        by_direction: whether the tree compares the directions of mean states from their centre.
        num_points: largest number of points for TensorBoard's projector, of whole sequences if
            one fits.
    """

    system: str | None
    layer: PositiveInt | None
    color: Literal["auto", "symbol", "position", "phase"]
    num_sequences: PositiveInt
    length: PositiveInt | None
    num_trajectories: Count
    num_symbols: PositiveInt
    linkage: Literal["average", "ward", "complete", "single"]
    by_direction: bool
    num_points: PositiveInt

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Reject models without a state."""
        return None if stateful(model) else "this model carries nothing from step to step"

    def analyze(self, experiment: Experiment) -> Findings:
        """Compute the principal components of each vector of the state."""
        labelled = labelled_trace(experiment, self.system, self.num_sequences, self.length)
        steps = _steps(labelled)
        hue = self._hue(steps)
        clouds = {
            part.name: self._cloud(labelled.states[..., part.units][labelled.real].numpy(), steps)
            for part in layer_parts(labelled.system, self.layer)
        }
        pictures = {
            name: Picture(partial(draw_cloud, cloud, steps, hue, name, self.num_trajectories))
            for name, cloud in clouds.items()
        }
        pictures["variance"] = Picture(partial(draw_variance, clouds))
        for name, cloud in clouds.items():
            if cloud.tree is not None:
                draw = partial(draw_tree, cloud.tree, name)
                pictures[f"{name}_tree"] = Picture(draw)
        return Findings(
            lines=[line for name, cloud in clouds.items() for line in _lines(name, cloud)],
            numbers={
                "system": labelled.name,
                "steps": len(steps.position),
                "color": hue,
                "vectors": {name: _numbers(cloud) for name, cloud in clouds.items()},
            },
            tables={name: _table(cloud, steps) for name, cloud in clouds.items()},
            pictures=pictures,
            points={name: self._points(cloud, steps) for name, cloud in clouds.items()},
        )

    def _hue(self, steps: StepLabels) -> Hue:
        """Return the label that colours show."""
        known: dict[Hue, Any] = {
            "phase": steps.phase,
            "symbol": steps.symbol,
            "position": steps.position,
        }
        names = [name for name, values in known.items() if values is not None]
        if self.color == "auto":
            return names[0]
        if self.color not in names:
            raise ConfigError(
                f"analysis.color must be auto or {' or '.join(names)} with this task, "
                f"got {self.color}"
            )
        return self.color

    def _cloud(self, points: Numbers, steps: StepLabels) -> Cloud:
        found = components(points)
        tree = None
        if steps.symbol is not None:
            means = mean_states(
                points, steps.symbol, self.num_symbols, by_direction=self.by_direction
            )
            tree = grow(means, self.linkage, len(COLORS))
        return Cloud(points, found, found.project(points, 3), tree)

    def _points(self, cloud: Cloud, steps: StepLabels) -> ProjectorPoints:
        ends = np.flatnonzero(np.diff(steps.sequence, append=-1)) + 1
        whole = ends[ends <= self.num_points]
        count = whole[-1] if len(whole) else self.num_points
        header, rows = _labels(steps)
        return ProjectorPoints(cloud.points[:count], header, rows[:count])


def _steps(labelled: LabelledTrace) -> StepLabels:
    real = labelled.real.numpy()
    sequence, position = real.nonzero()
    symbol = None if labelled.symbols is None else labelled.symbols[real]
    phase = None if labelled.phases is None else labelled.phases.numpy()[real]
    return StepLabels(symbol, position, sequence, phase)


def _labels(steps: StepLabels) -> tuple[list[str], list[list[Any]]]:
    """Return the names of the labels, and a row of labels for each step."""
    known = {name: values for name, values in steps._asdict().items() if values is not None}
    return list(known), [
        list(row) for row in zip(*(v.tolist() for v in known.values()), strict=True)
    ]


def _table(cloud: Cloud, steps: StepLabels) -> Rows:
    header, rows = _labels(steps)
    header += [f"component_{i + 1}" for i in range(cloud.places.shape[1])]
    return [header, *(row + place for row, place in zip(rows, cloud.places.tolist(), strict=True))]


def _lines(name: str, cloud: Cloud) -> list[str]:
    found = cloud.components
    held = found.shares[: cloud.places.shape[1]].sum()
    lines = [
        f"{name}: of {cloud.points.shape[1]} dimensions, {cloud.places.shape[1]} components hold "
        f"{held:.1%} of the variance, {found.needed(0.9)} hold 90 %; "
        f"participation ratio {found.participation:.1f}"
    ]
    if cloud.tree is not None:
        groups = group_names(cloud.tree)
        lines.append(f"{name}: symbols by their mean states: {'  |  '.join(groups)}")
    return lines


def _numbers(cloud: Cloud) -> Mapping[str, Any]:
    found, tree = cloud.components, cloud.tree
    return {
        "size": cloud.points.shape[1],
        "explained_variance": found.shares,
        "components_for_90_percent": found.needed(0.9),
        "participation_ratio": found.participation,
        "symbols": None
        if tree is None
        else dict(zip(tree.names, tree.counts.tolist(), strict=True)),
        "linkage": None if tree is None else tree.links,
    }
