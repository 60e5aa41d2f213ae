"""Oscillations of a model: power spectrum, phase portrait, return after a perturbation."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, Rows
from rnnlab.analysis.figures.style import panels
from rnnlab.analysis.numerics.exponents import lyapunov_spectrum
from rnnlab.analysis.numerics.limit_cycle import (
    Cycle,
    ExponentialFit,
    closed_orbit,
    few_points,
    fit_decay,
)
from rnnlab.analysis.probe.free_run import FreeRun
from rnnlab.analysis.probe.system import batch_in_double, in_double
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.plots.palette import COLORS, TARGET
from rnnlab.ranges import Positive, PositiveInt, Seed
from rnnlab.tasks.base import Task
from rnnlab.tasks.oscillation import Oscillation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SETTLE, _AROUND = 1000, 200  # steps of convergence to the cycle, and the last of them
_EXPONENTS, _TRANSIENT, _COUNTED = 3, 100, 400
_STRAY = 1e-4  # share of the peak power below which the target has no spectral line
_LEAST_DRAWN = 1e-9
_FADES = 1e-3  # nats per step


class PushResponse(NamedTuple):
    """The response to perturbations of states on a limit cycle.

    Attributes:
        distances: `(N, T)`, distance to the cycle at each step after the perturbation, in
            standard deviations of the cycle.
        floor: largest distance without a perturbation.
        decay: exponential fit of the distances, `None` if they don't decay.
        exponents: `(K,)`, the largest Lyapunov exponents along the cycle.
    """

    distances: Tensor
    floor: float
    decay: ExponentialFit | None
    exponents: Tensor


@dataclass(frozen=True, kw_only=True)
class Spectrum(Analysis):
    """The oscillation of a free-running network, compared with the target.

    The power spectra of free-running answers and targets; the phase portrait; and the distance of
    the state to the limit cycle after a perturbation. If the cycle is attracting, the distance
    decays exponentially, at the rate of the largest Lyapunov exponent transverse to the cycle.

    Args:
        num_sequences: number of free-running sequences.
        periods: length of each in periods.
        push: size of a perturbation, in standard deviations of the states on the cycle.
        num_pushes: number of perturbations of each sequence, in random directions.
        steps: number of steps after a perturbation.
        seed: seed of the directions.
    """

    num_sequences: PositiveInt
    periods: PositiveInt
    push: Positive
    num_pushes: PositiveInt
    steps: PositiveInt
    seed: Seed

    def refusal(self, model: Model, task: Task) -> str | None:
        """Reject all tasks but oscillations, and models without a state vector to push."""
        if not isinstance(task, Oscillation):
            return "only an oscillation has a rhythm to keep"
        return None if model.is_map else "its state is what it has read, and no vector to push"

    def analyze(self, experiment: Experiment) -> Findings:
        """Compute the power spectra and the response to perturbations."""
        task = experiment.task
        assert isinstance(task, Oscillation)
        length = math.ceil(self.periods * task.max_period_steps)
        batch = batch_in_double(task.sample("test", 0, self.num_sequences, length=length))
        free = FreeRun(in_double(experiment.model), batch)
        states, answers = free.run(free.start, free.rows, length - 1)
        answers = answers[..., task.taught]
        targets = batch.target[:, task.unanswered + 1 :, task.taught]
        try:
            back = self._push(free, states[:, -1], task)
        except FloatingPointError as error:
            raise ConfigError(f"there is no rhythm to look at: {error}") from error
        frequencies, power = power_spectrum(torch.stack([targets, answers]))
        return Findings(
            lines=_lines(frequencies, power, back),
            numbers={
                "target_turns_in_steps": 1 / spectral_peak(frequencies, power[0]),
                "answer_turns_in_steps": 1 / spectral_peak(frequencies, power[1]),
                "stray_power": stray_power(power),
                "decay_rate": back.decay and back.decay.rate,
                "lyapunov_exponents": back.exponents,
                "distance_floor": back.floor,
            },
            tables={"": _table(frequencies, power), "return": _return_table(back)},
            pictures={"": Picture(lambda: _draw(task, answers, frequencies, power, back))},
        )

    def _push(self, free: FreeRun, states: Tensor, task: Oscillation) -> PushResponse:
        """Perturb the state of each sequence on its limit cycle."""
        around = free.run(states, free.rows, _SETTLE)[0][:, -_AROUND:]
        spread = (around - around.mean(1, keepdim=True)).square().sum(2).mean(1).sqrt()
        spread = spread.clamp(min=1e-9)
        if not bool(around.isfinite().all()):
            raise FloatingPointError("the states run away to infinity")
        cycles = [_cycle(free, row, track, task) for row, track in enumerate(around)]
        start = around[:, -1]
        rows = free.rows.repeat(self.num_pushes + 1)  # the first of each is not perturbed
        pushes = torch.randn(
            len(rows),
            free.size,
            dtype=start.dtype,
            generator=torch.Generator().manual_seed(self.seed),
        )
        pushes *= self.push * spread[rows, None] / pushes.norm(dim=1, keepdim=True)
        pushes[: len(start)] = 0
        pushed = start[rows] + pushes
        after, _ = free.run(pushed, rows, self.steps)
        after = torch.cat([pushed[:, None], after], dim=1)
        distances = torch.stack(
            [
                cycles[row].distance(track) / spread[row]
                for row, track in zip(rows.tolist(), after, strict=True)
            ]
        )
        still, moved = distances[: len(start)], distances[len(start) :]
        floor = float(still.max())
        exponents = lyapunov_spectrum(
            lambda _, s: free.step(s, free.rows)[0],
            start,
            steps=_COUNTED,
            transient=_TRANSIENT,
            num_exponents=min(_EXPONENTS, free.size),
            generator=torch.Generator().manual_seed(self.seed),
        ).exponents.mean(0)
        decay = fit_decay(moved, floor)
        return PushResponse(
            moved, floor, decay if decay and decay.rate < -_FADES else None, exponents
        )


def _cycle(free: FreeRun, row: int, track: Tensor, task: Oscillation) -> Cycle:
    """Return the limit cycle of a row, given a trajectory `(T, D)` on it."""
    if task.curve.discrete:
        return few_points(track)

    def run(states: Tensor, steps: int) -> Tensor:
        return free.run(states, torch.full((len(states),), row), steps)[0]

    return closed_orbit(run, track[-1], task.period_steps, task.max_period_steps, _AROUND)


def power_spectrum(signals: Tensor) -> tuple[Tensor, Tensor]:
    """Return frequencies `(F,)` in turns per step and mean power `(K, F)` of `(K, B, T, D)`.

    With a Hann window, whose leakage is negligible four bins from a line.
    """
    length = signals.shape[2]
    window = torch.hann_window(length, periodic=True, dtype=signals.dtype)[:, None]
    centred = signals - (signals * window).sum(2, keepdim=True) / window.sum()
    power = torch.fft.rfft(centred * window, dim=2).abs().square().mean((1, 3))
    power = power / window.square().sum() / length
    return torch.fft.rfftfreq(length, dtype=signals.dtype)[1:], power[:, 1:]


def spectral_peak(frequencies: Tensor, power: Tensor) -> float:
    """Return the frequency of the largest power, by parabolic interpolation of its logarithm."""
    place = int(power.argmax())
    if not 0 < place < len(power) - 1:
        return float(frequencies[place])
    left, top, right = power[place - 1 : place + 2].log().tolist()
    shift = (left - right) / (2 * (left - 2 * top + right))
    return float(frequencies[place] + shift * (frequencies[1] - frequencies[0]))


def stray_power(power: Tensor) -> float:
    """Return the share of the answers' power at frequencies without a line of the target."""
    target, answer = power
    return float(answer[target < _STRAY * target.max()].sum() / answer.sum())


def _lines(frequencies: Tensor, power: Tensor, back: PushResponse) -> list[str]:
    target, answer = (1 / spectral_peak(frequencies, some) for some in power)
    exponents = ", ".join(f"{value:+.4f}" for value in back.exponents.tolist())
    returns = "do not fade: no cycle attracts here"
    if back.decay:
        rate = -back.decay.rate
        returns = f"fade by {rate:.4f} nats per step, to half in {math.log(2) / rate:.3g}"
    return [
        f"strongest line: once in {answer:.4g} steps, target {target:.4g}",
        f"power where the target has no line: {100 * stray_power(power):.2g} %",
        f"pushes {returns}",
        f"largest Lyapunov exponents along the orbit: {exponents} nats per step",
    ]


def _table(frequencies: Tensor, power: Tensor) -> Rows:
    rows = torch.cat([frequencies[None], power]).T.tolist()
    return [["frequency", "target_power", "answer_power"], *rows]


def _return_table(back: PushResponse) -> Rows:
    heading = ["step", *(f"push_{n}" for n in range(1, len(back.distances) + 1))]
    return [heading, *([step, *row] for step, row in enumerate(back.distances.T.tolist()))]


def _draw(
    task: Oscillation,
    answers: Tensor,
    frequencies: Tensor,
    power: Tensor,
    back: PushResponse,
) -> "Figure":
    figure, ((left, middle, right),) = panels(1, 3, height=3.9)
    _draw_power(left, frequencies, power)
    _draw_path(middle, task, answers)
    _draw_return(right, back)
    return figure


def _draw_power(axes: "Axes", frequencies: Tensor, power: Tensor) -> None:
    decibels = 10 * (power / power[0].max()).clamp(min=1e-12).log10()
    axes.plot(frequencies, decibels[0], color=TARGET, linewidth=4, label="target")
    axes.plot(frequencies, decibels[1], color=COLORS[0], linewidth=1.6, label="answer")
    axes.set(xlabel="frequency (turns per step)", ylabel="power (dB)", title="power spectrum")
    axes.set(ylim=(max(-90.0, float(decibels.min())) - 3, 8))
    axes.legend(loc="best")


def _draw_path(axes: "Axes", task: Oscillation, answers: Tensor) -> None:
    """Draw the phase portrait: two outputs, or one against itself a quarter period later."""
    lag = max(1, round(task.period_steps / 4))
    tracks = answers[:, answers.shape[1] // 2 :]
    outline = task.outline.double()
    if tracks.shape[2] == 1:
        tracks = torch.cat([tracks[:, :-lag], tracks[:, lag:]], dim=2)
        ahead = round(outline.shape[1] * lag / task.period_steps)
        outline = torch.cat([outline, outline.roll(-ahead, dims=1)], dim=2)
        axes.set(xlabel="answer", ylabel=f"answer {lag} steps later")
    else:
        names = [task.curve.names[i] for i in task.taught]
        axes.set(xlabel=names[0], ylabel=names[1])
    for shape in outline:
        closed = torch.cat([shape, shape[:1]])
        look: dict[str, Any] = {"linewidth": 4}
        if task.curve.discrete:
            look = {"linestyle": "", "marker": "o", "markersize": 16}
        axes.plot(closed[:, 0], closed[:, 1], color=TARGET, **look)
    for track in tracks:
        axes.plot(track[:, 0], track[:, 1], ".", color=COLORS[0], markersize=3)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title("phase portrait")


def _draw_return(axes: "Axes", back: PushResponse) -> None:
    steps = torch.arange(back.distances.shape[1])
    axes.plot(steps, back.distances.T, color=COLORS[5], linewidth=0.8, alpha=0.6)
    mean = back.distances.log().mean(0).exp()
    axes.plot(steps, mean, color=COLORS[0], label="mean")
    if back.decay:
        rate, level, first, last = back.decay
        axes.plot(
            steps[first:last],
            level * (rate * steps[first:last]).exp(),
            color=COLORS[1],
            linestyle="--",
            label=f"{rate:+.3f} nats per step",
        )
    axes.set(yscale="log", xlabel="steps after a push", ylabel="distance to the cycle (spreads)")
    axes.set(ylim=(max(back.floor / 2, float(mean.min()) / 10, _LEAST_DRAWN), None))
    axes.set_title("return")
    axes.legend(loc="best")
