"""The base class of analyses, and the results that they return."""

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
    """A figure that is drawn on demand, so that the numbers need no matplotlib.

    Attributes:
        draw: makes the figure. What has thousands of dots or cells is rasterized, for SVG and PDF.
    """

    draw: Callable[[], "Figure"]


@dataclass(frozen=True)
class ProjectorPoints:
    """Labelled points for TensorBoard's projector.

    Attributes:
        values: `(P, D)`.
        header: names of the labels.
        labels: one row of labels for each point.
    """

    values: NDArray[np.floating[Any]]
    header: Sequence[str]
    labels: Rows


@dataclass(frozen=True)
class Findings:
    """The results of an analysis.

    Attributes:
        lines: the summary, printed.
        numbers: all numbers by name, written as JSON.
        tables: by name, rows under a heading, each written as CSV.
        pictures: figures by name.
        points: points for TensorBoard's projector by name.
        texts: contents of other text files by file suffix.
    """

    lines: Sequence[str]
    numbers: Mapping[str, Any]
    tables: Mapping[str, Rows] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    points: Mapping[str, ProjectorPoints] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


class Analysis(ABC):
    """An analysis of a trained model.

    The keyword-only arguments of the constructor are the settings, all of them in the yaml. An
    analysis runs the trained cells themselves, through `System`.
    """

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Return why the analysis makes no sense for a model or task, `None` if it does."""
        return None

    @abstractmethod
    def analyze(self, experiment: Experiment) -> Findings:
        """Analyse the model of an experiment, in evaluation mode.

        Long loops go through `within_budget`, which ends them when the budget is spent.

        Raises:
            ConfigError: a setting doesn't suit the model or task.
        """


def draw_batch(experiment: Experiment, num_sequences: int, length: int | None) -> Batch:
    """Return a batch of test sequences; `length=None` is the task's own length.

    Raises:
        ConfigError: the lengths of the task's sequences can't be chosen.
    """
    task = experiment.task
    most = task.num_batches("test", num_sequences)
    if most is not None and length is not None:
        raise ConfigError("analysis.length must be null: this task reads a text in order")
    return task.sample("test", 0, num_sequences, length=length)
