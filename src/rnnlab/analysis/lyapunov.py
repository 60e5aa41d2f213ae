"""The Lyapunov spectrum of a model: growth rates of small differences of the state."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, Rows, draw_batch
from rnnlab.analysis.figures.gains import draw_gains
from rnnlab.analysis.figures.style import panels
from rnnlab.analysis.numerics.exponents import (
    LyapunovSpectrum,
    TimeMap,
    kaplan_yorke,
    lyapunov_spectrum,
)
from rnnlab.analysis.probe.autonomous import (
    InputChoice,
    autonomous_maps,
    is_free_running,
    lacks_map,
    without_teacher,
)
from rnnlab.analysis.probe.free_run import FreeRun
from rnnlab.analysis.probe.gains import amplified, shuffled
from rnnlab.analysis.probe.system import (
    batch_in_double,
    choose_system,
    in_double,
    real_steps,
    systems,
    traces,
)
from rnnlab.analysis.progress import within_budget
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.plots.palette import COLORS, GREY, TARGET
from rnnlab.ranges import Count, PositiveInt, Positives, Seed
from rnnlab.tasks.base import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NEUTRAL = 1e-3  # nats per step: a smaller rate is neutral over 1000 steps
_LINES = 6


class Trajectories(NamedTuple):
    """Trajectories, as arguments of `lyapunov_spectrum`.

    Attributes:
        reads: the input in words.
        step: the map of each step.
        start: `(B, D)`, the initial states.
        before: reset of the states at the start of a sequence.
    """

    reads: str
    step: TimeMap
    start: Tensor
    before: TimeMap | None = None


@dataclass(frozen=True, kw_only=True)
class Lyapunov(Analysis):
    """The Lyapunov spectrum: mean rates, in nats per step, at which small differences grow.

    Below 0 the state forgets its initial value, at 0 a difference persists, above 0 it grows until
    trajectories are independent: chaos. With `sequences` the state is reset at the start of each
    sequence as in evaluation; with a `constant` input or its `own` answers the model is
    autonomous.

    Args:
        drive: the input. `auto` is `own` if real-valued answers are fed back, else `sequences`.
        input: the constant input, as in `fixed_points`; `null` is the most frequent one.
        system: a part of an encoder-decoder model; `null` is the encoder, and all of it for `own`.
        num_sequences: number of trajectories.
        steps: number of steps in the mean.
        transient: number of steps before them.
        num_exponents: number of exponents, the largest; `null` is all, with -inf for directions
            in the null space of a step.
        gains: factors of the recurrent weights; the largest exponent is computed at each.
        num_shuffles: number of nets to compare with at each gain, in which each unit has its
            recurrent weights in random order.
        seed: seed of the initial directions and of the shuffles.
    """

    drive: Literal["auto", "own", "sequences", "constant"]
    input: InputChoice | None
    system: str | None
    num_sequences: PositiveInt
    steps: PositiveInt
    transient: Count
    num_exponents: PositiveInt | None
    gains: Positives | None
    num_shuffles: Count
    seed: Seed

    def __post_init__(self) -> None:
        """Check settings against each other."""
        if self.input is not None and self.drive != "constant":
            raise ConfigError(f"input must be null with drive={self.drive}, got {self.input!r}")
        if self.input in ("auto", "own", "each"):
            raise ConfigError(f"input must be one that stays, got {self.input!r}")

    def refusal(self, model: Model, task: Task) -> str | None:
        """Reject Transformers, and delay taps unless real-valued answers are fed back."""
        if lacks_map(model, task):
            return "its state is its last inputs, in which every difference ends after its taps"
        return None

    def analyze(self, experiment: Experiment) -> Findings:
        """Compute the exponents."""
        trajectories = self._trajectories(experiment)
        size = trajectories.start.shape[1]
        spectrum = self._spectrum(trajectories, min(self.num_exponents or size, size))
        mean = spectrum.exponents.mean(0)
        dimension = kaplan_yorke(mean, size)
        found = Findings(
            lines=_lines(trajectories, spectrum, dimension),
            numbers={
                "reads": trajectories.reads,
                "exponents": mean,
                "exponents_of_each_trajectory": spectrum.exponents,
                "kaplan_yorke_dimension": dimension,
                "state_size": size,
                "steps": len(spectrum.running),
            },
            tables={"": _table(spectrum.exponents), "convergence": _convergence(spectrum.running)},
            pictures={"": Picture(lambda: _draw(spectrum))},
        )
        return self._with_gains(found, experiment) if self.gains else found

    def _spectrum(self, trajectories: Trajectories, num_exponents: int) -> LyapunovSpectrum:
        try:
            return lyapunov_spectrum(
                trajectories.step,
                trajectories.start,
                steps=self.steps,
                transient=self.transient,
                num_exponents=num_exponents,
                generator=torch.Generator().manual_seed(self.seed),
                before=trajectories.before,
            )
        except FloatingPointError as error:
            raise ConfigError(
                f"analysis.steps must be fewer than {self.steps}, in which {error} here"
            ) from error

    def _with_gains(self, found: Findings, experiment: Experiment) -> Findings:
        """Add the largest exponent at each gain, of the net and of nets with shuffled weights."""
        generator = torch.Generator().manual_seed(self.seed)
        nets = [experiment.model]
        nets += [shuffled(experiment.model, generator) for _ in range(self.num_shuffles)]
        gains, rows = [], []
        for gain in within_budget(self.gains or [], "gains"):
            each = [
                self._trajectories(replace(experiment, model=amplified(net, gain))) for net in nets
            ]
            rows.append([float(self._spectrum(t, 1).exponents.mean()) for t in each])
            gains.append(gain)
        lines = [
            f"  gain {gain:g}: {row[0]:+.4f}"
            + (f", shuffled {min(row[1:]):+.4f} to {max(row[1:]):+.4f}" if row[1:] else "")
            for gain, row in zip(gains, rows, strict=True)
        ]
        heading = ["gain", "net", *(f"shuffled_{i}" for i in range(1, self.num_shuffles + 1))]
        table = [[gain, *row] for gain, row in zip(gains, rows, strict=True)]
        return replace(
            found,
            lines=[*found.lines, "largest exponent with recurrent weights times a gain:", *lines],
            numbers={**found.numbers, "gains": gains, "exponents_at_gains": rows},
            tables={**found.tables, "gains": [heading, *table]},
            pictures={**found.pictures, "gains": Picture(lambda: draw_gains(gains, rows))},
        )

    def _trajectories(self, experiment: Experiment) -> Trajectories:
        task = experiment.task
        name = choose_system(systems(experiment.model), self.system)
        model = in_double(experiment.model)
        batch = batch_in_double(draw_batch(experiment, self.num_sequences, None))
        if self.drive in ("auto", "own") and is_free_running(self.drive, task, self.system):
            free = FreeRun(model, batch)
            return Trajectories(
                "its own answers", lambda _, s: free.step(s, free.rows)[0], free.start
            )
        if self.drive != "constant":
            return self._driven(task, model, name)
        (map,) = autonomous_maps(model, task, batch, self.input or "commonest", name)
        start = torch.stack([track[-1] for track in map.visited])
        return Trajectories(map.reads, lambda _, s: map.step(s), start)

    def _driven(self, task: Task, model: Model, name: str) -> Trajectories:
        """Return trajectories over concatenated test sequences, with a reset at each start."""
        system = systems(model)[name]
        needed = self.transient + self.steps
        most = task.num_batches("test", self.num_sequences)
        # Finite data may have fewer rows.
        rows = len(task.sample("test", 0, self.num_sequences).mask)
        pieces: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in range(rows)]
        index = 0
        while min(sum(len(inputs) for inputs, *_ in row) for row in pieces) < needed:
            place = index if most is None else index % most
            batch = batch_in_double(task.sample("test", place, self.num_sequences))
            trace = traces(model, batch)[name]
            inputs, steps = without_teacher(system, trace.inputs), real_steps(batch, name)
            for row, real in enumerate(steps):
                starts = inputs.new_zeros(int(real.sum()), system.size)
                fresh = torch.zeros(len(starts), dtype=torch.bool)
                starts[:1] = trace.start[row]
                fresh[:1] = True if batch.first is None else batch.first[row]
                pieces[row].append((inputs[row, real], starts, fresh))
            index += 1
        inputs, starts, fresh = (
            torch.stack([torch.cat([piece[kind] for piece in row])[:needed] for row in pieces])
            for kind in range(3)
        )
        return Trajectories(
            "test sequences",
            lambda t, s: system.step(inputs[:, t], s),
            starts[:, 0],
            lambda t, s: torch.where(fresh[:, t, None], starts[:, t], s),
        )


def _lines(
    trajectories: Trajectories, spectrum: LyapunovSpectrum, dimension: float | None
) -> list[str]:
    """Summarise the largest exponents."""
    mean, spread = spectrum.exponents.mean(0), spectrum.exponents.std(0, correction=0)
    first = float(mean[0])
    if abs(first) < _NEUTRAL:
        means = "a difference neither grows nor fades"
    else:
        does = "halve" if first < 0 else "double"
        means = f"differences {does} every {math.log(2) / abs(first):.3g} steps"
        means += ": chaos" if first > 0 and trajectories.before is None else ""
    lines = [f"reading {trajectories.reads}: {means}"]
    kept = int(mean.isfinite().sum())
    lines += [
        f"  exponent {i + 1:>2}: {float(mean[i]):+.4f} nats per step, "
        f"spread over trajectories {float(spread[i]):.4f}"
        for i in range(min(_LINES, kept))
    ]
    if kept < len(mean):
        lines.append(f"  {len(mean) - kept} of {len(mean)} directions are lost at once")
    text = "more than these exponents tell" if dimension is None else f"{dimension:.2f}"
    return [*lines, f"Kaplan-Yorke dimension: {text}"]


def _table(exponents: Tensor) -> Rows:
    heading = ["exponent", "mean", *(f"trajectory_{b}" for b in range(1, len(exponents) + 1))]
    rows = torch.cat([exponents.mean(0, keepdim=True), exponents]).T.tolist()
    return [heading, *([number, *row] for number, row in enumerate(rows, start=1))]


def _convergence(running: Tensor) -> Rows:
    """Return the running means of the exponents, averaged over trajectories."""
    rows = running.mean(1).tolist()
    heading = ["step", *(f"exponent_{i}" for i in range(1, running.shape[2] + 1))]
    return [heading, *([step, *row] for step, row in enumerate(rows, start=1))]


def _draw(spectrum: LyapunovSpectrum) -> "Figure":
    """Draw the running means of the largest exponents, and all of them."""
    from matplotlib.ticker import MaxNLocator

    figure, ((left, right),) = panels(1, 2, height=5.0)
    mean = spectrum.exponents.mean(0)
    kept = int(mean.isfinite().sum())
    running, mean = spectrum.running.mean(1)[:, :kept], mean[:kept]
    steps, number = torch.arange(1, len(running) + 1), torch.arange(1, kept + 1)
    right.axhline(0, color=GREY, linewidth=1.2)
    right.plot(number, mean, "-", color=TARGET, linewidth=1.4)
    # Dashes are wider than dots, so that they show even if all trajectories agree.
    each = spectrum.exponents[:, :kept].T
    dashes = {"color": GREY, "markersize": 15, "markeredgewidth": 1.2}
    right.plot(number, each, "_", label=["one trajectory", *[""] * (each.shape[1] - 1)], **dashes)
    right.plot(number, mean, "o", color=TARGET, label="smaller ones" if kept > _LINES else "")
    for i in range(min(_LINES, kept)):
        left.plot(steps, running[:, i], color=COLORS[i], linewidth=1.8)
        right.plot(number[i], mean[i], "o", color=COLORS[i], label=f"exponent {i + 1}")
    shown = mean[:_LINES]
    if kept:
        room = max(float(shown[0] - shown[-1]), 0.02)
        left.set(ylim=(float(shown[-1]) - room / 2, float(shown[0]) + room / 2))
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    left.set(xscale="log", xlabel="steps counted", ylabel="nats per step")
    left.set_title(f"running mean of the {len(shown)} largest")
    right.set(xlabel="exponent", title="Lyapunov spectrum")
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    # Above the line unless the curve is there.
    above = not kept or float(mean.max()) < 0
    if left.get_ylim()[0] < 0 < left.get_ylim()[1]:
        left.axhline(0, color=GREY, linewidth=1.2)
    low, high = right.get_ylim()
    right.set_ylim(low - 0.08 * (high - low) * (not above), high + 0.08 * (high - low) * above)
    right.annotate(
        "0: differences stay",
        (0.99, 0),
        xycoords=right.get_yaxis_transform(),
        xytext=(0, 3 if above else -3),
        textcoords="offset points",
        ha="right",
        va="bottom" if above else "top",
        color=GREY,
        size=12,
    )
    return figure
