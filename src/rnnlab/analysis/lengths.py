"""Length generalisation: the metrics on sequences longer than those of training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Gt, Le

from rnnlab.analysis.base import Analysis, Findings, Picture
from rnnlab.analysis.figures.style import new_figure
from rnnlab.analysis.progress import within_budget
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.evaluate import evaluate
from rnnlab.metric import base_name
from rnnlab.models.base import Model
from rnnlab.plots.palette import COLORS, GREY
from rnnlab.ranges import PositiveInt
from rnnlab.tasks.base import Task
from rnnlab.tasks.lengths import Lengths as Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PREFERRED = ("exact_match", "accuracy", "correct", "on_cycle", "distance", "loss")
_ROWS = 64  # batch size


@dataclass(frozen=True, kw_only=True)
class Lengths(Analysis):
    """The metrics as a function of sequence length.

    A network that learnt the rule keeps its score; one that learnt the training set falls to the
    task's floor. Each length has test sequences of its own; the floor is that of the trained
    length.

    Args:
        metric: the metric drawn; `null` is the accuracy, else the distance from the curve, else
            the loss, free-running if the task scores that.
        factor: longest length, as a multiple of the trained length.
        num_lengths: number of lengths, from the shortest to the longest.
        num_sequences: number of test sequences of each length.
    """

    metric: str | None
    factor: Annotated[float, Gt(1), Le(1000)]
    num_lengths: PositiveInt
    num_sequences: PositiveInt

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Reject tasks of a fixed length."""
        if task.trained_length is None:
            return "this task's sequences have the length that they have"
        return None

    def analyze(self, experiment: Experiment) -> Findings:
        """Score the model at each length."""
        trained = trained_lengths(experiment)
        lengths = self._lengths(trained)
        scores = {
            length: self._score(experiment, length) for length in within_budget(lengths, "lengths")
        }
        metric = self._metric(next(iter(scores.values())))
        curve = {length: found[metric] for length, found in scores.items()}
        floor = experiment.task.floor.get(base_name(metric))
        share = experiment.task.mode(metric) == "max" and max(curve.values()) <= 1
        names = list(next(iter(scores.values())))
        return Findings(
            lines=[
                f"{metric} at length {length:>4}: {value:.4g}"
                + ("   trained" if trained.least <= length <= trained.most else "")
                for length, value in curve.items()
            ],
            numbers={
                "trained_lengths": [trained.least, trained.most],
                "metric": metric,
                "floor": floor,
                "scores": scores,
            },
            tables={
                "": [["length", *names], *([n, *s.values()] for n, s in scores.items())],
            },
            pictures={"": Picture(lambda: _draw(curve, metric, trained, floor, share))},
        )

    def _lengths(self, trained: Range) -> list[int]:
        """Return the lengths from the shortest trained one (or half) on, the longest included."""
        least, most = trained.least, trained.most
        first = least if 0 < least < most else max(most // 2, 1)
        spread = np.geomspace(first, max(round(most * self.factor), first), self.num_lengths)
        return sorted({*(round(float(length)) for length in spread), most})

    def _score(self, experiment: Experiment, length: int) -> dict[str, float]:
        task = experiment.task
        whole, rest = divmod(self.num_sequences, _ROWS)
        sizes = [_ROWS] * whole + ([rest] if rest else [])
        batches = (
            task.sample("test", index, size, length=length) for index, size in enumerate(sizes)
        )
        return evaluate(experiment.model, task, batches).compute()

    def _metric(self, found: Mapping[str, float]) -> str:
        if self.metric is None:
            names = (f"{free}{name}" for name in _PREFERRED for free in ("free_", ""))
            return next(name for name in names if name in found)
        if self.metric not in found:
            raise ConfigError(
                f"analysis.metric must be one of {', '.join(found)}, got {self.metric}"
            )
        return self.metric


def trained_lengths(experiment: Experiment) -> Range:
    """Return the shortest and the longest `length` of training, with its curriculum."""
    curriculum = experiment.data.curriculum
    own = experiment.task.trained_lengths
    assert own is not None
    if curriculum is None:
        return own
    return Range(*sorted((curriculum.start, curriculum.end)))


def _draw(
    curve: Mapping[int, float], metric: str, trained: Range, floor: float | None, share: bool
) -> "Figure":
    figure = new_figure(height=5.4)
    axes = figure.subplots()
    _mark_trained(axes, trained)
    axes.plot(list(curve), list(curve.values()), color=COLORS[0], marker="o", clip_on=False)
    if floor is not None:
        axes.axhline(floor, color=COLORS[1], linestyle="--", linewidth=1.6)
        axes.text(max(curve), floor, " floor", color=COLORS[1], va="bottom", ha="right")
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(curve), [str(length) for length in curve], minor=False)
    axes.minorticks_off()
    if share:
        axes.set_ylim(-0.03, 1.04)
    elif min(curve.values()) > 0:
        axes.set_yscale("log")
    name = base_name(metric).replace("_", " ")
    free = ", running free" if base_name(metric) != metric else ""
    axes.set(xlabel="length", ylabel=name + free)
    return figure


def _mark_trained(axes: "Axes", trained: Range) -> None:
    """Mark the trained lengths: several as a band, a single one as a line."""
    if trained.least < trained.most:
        axes.axvspan(max(trained.least, 1), trained.most, color="#EDEDED", zorder=0)
        said = f"trained: {trained.least} to {trained.most}"
    else:
        axes.axvline(trained.most, color=GREY, linestyle=":", linewidth=1.6, zorder=0)
        said = f"trained: {trained.most}"
    middle = (max(trained.least, 1) * trained.most) ** 0.5
    axes.text(middle, 1.01, said, ha="center", transform=axes.get_xaxis_transform())
