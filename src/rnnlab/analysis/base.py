"""The analysis contract: what it is given, what it finds, and how that is drawn."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.spec import Batch
from rnnlab.tasks.base import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Picture:
    """A figure that is drawn when it is asked for, so that numbers can be had without matplotlib.

    Attributes:
        draw: makes it.
        vector: whether it is a drawing that an SVG suits too; a heat map is none.
    """

    draw: Callable[[], "Figure"]
    vector: bool = False


@dataclass(frozen=True)
class ProjectorPoints:
    """Labelled points for TensorBoard's projector.

    Attributes:
        values: `(P, D)`.
        header: names of the labels.
        labels: a row of labels a point.
    """

    values: NDArray[np.floating[Any]]
    header: Sequence[str]
    labels: Rows


@dataclass(frozen=True)
class Findings:
    """What an analysis found.

    Attributes:
        lines: what a person should know first; printed.
        numbers: everything that is a number, by name; written as JSON.
        tables: by name, rows under a heading; each written as CSV.
        pictures: by name.
        points: for the projector, by name.
        texts: by the ending of their file's name.
    """

    lines: Sequence[str]
    numbers: Mapping[str, Any]
    tables: Mapping[str, Rows] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    points: Mapping[str, ProjectorPoints] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


class Analysis(ABC):
    """One look inside a model.

    The keyword-only arguments of its constructor are its settings, all of them in its yaml. It
    works with the cells that were trained, through `System`; a second implementation of a model
    would be another model.
    """

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Say why it makes no sense for this model or task; `None` if it does."""
        return None

    @abstractmethod
    def analyze(self, experiment: Experiment) -> Findings:
        """Look inside the model of an experiment, in evaluation mode and with its best weights.

        Raises:
            ConfigError: a setting doesn't suit it.
        """


def draw_batch(experiment: Experiment, num_sequences: int, length: int | None) -> Batch:
    """Make test sequences, of the length that the task takes (`None` for its own).

    Raises:
        ConfigError: the task can't make such.
    """
    task = experiment.task
    most = task.num_batches("test", num_sequences)
    if most is not None and length is not None:
        raise ConfigError("analysis.length must be null: this task reads a text in order")
    return task.sample("test", 0, num_sequences, length=length)
