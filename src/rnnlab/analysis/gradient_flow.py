"""Gradient flow through time, and the spectra of the step Jacobian."""

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, draw_batch
from rnnlab.analysis.figures.gains import draw_fading
from rnnlab.analysis.figures.style import panels, shades
from rnnlab.analysis.probe.gains import amplified
from rnnlab.analysis.probe.gradients import (
    Flow,
    GradientDecay,
    Spectra,
    decay,
    effective_horizon,
    evenly_spaced,
    flow,
    reach,
    slope,
    spectra,
    top_part,
)
from rnnlab.analysis.probe.system import System, Trace, batch_in_double, stateful, traces
from rnnlab.analysis.progress import within_budget
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.plots.palette import COLORS, GREY, MISSING
from rnnlab.ranges import PositiveInt, Positives
from rnnlab.spec import Batch
from rnnlab.tasks.base import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW = 0.01  # share of the largest norm that still counts as a gradient
_ROWS = 4  # sequences whose step Jacobians are computed
_FEW_ANSWERS = 5
_LEAST = 1e-5  # smallest share of the largest norm, and singular value, drawn
_QUANTILES = {"singular_largest": 1.0, "singular_median": 0.5, "singular_smallest": 0.0}

SampledJacobians = tuple[Tensor, Tensor, Spectra]
"""Rows, steps, and the spectra of the Jacobians there."""


@dataclass(frozen=True, kw_only=True)
class GradientFlow(Analysis):
    """Norms of dL_t/dh_s over answered steps t and earlier states s; spectra of the step Jacobian.

    Hochreiter (1991), Bengio et al. (1994) and Pascanu et al. (2013): the gradient of a loss is
    multiplied by the step Jacobian dh_s/dh_{s-1} at each step backward. Spectral radii below 1
    make it vanish; it can grow only if singular values are above 1. L_t is the loss of step t
    alone, h_s each vector of the state. Targets are fed back as in training, a training `horizon`
    is lifted. The effective horizon is the mean of t - s, weighted by the norm.

    Args:
        num_sequences: number of test sequences.
        length: length of the sequences; `null` is the longest trained.
        num_answers: number of answered steps t, evenly spaced.
        num_jacobians: number of Jacobians, at evenly spaced steps of a few sequences.
        gains: factors of the recurrent weights, at each of which the last answer is followed back.
    """

    num_sequences: PositiveInt
    length: PositiveInt | None
    num_answers: PositiveInt
    num_jacobians: PositiveInt
    gains: Positives | None

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Reject models without a state."""
        return None if stateful(model) else "this model carries nothing from step to step"

    def analyze(self, experiment: Experiment) -> Findings:
        """Compute gradient norms and Jacobians on test sequences."""
        model, task = deepcopy(experiment.model).double(), experiment.task
        length = task.trained_length if self.length is None else self.length
        batch = batch_in_double(draw_batch(experiment, self.num_sequences, length))
        found, traced = stateful(model), traces(model, batch)
        flows = {
            name: parts
            for name, parts in flow(model, task, batch, self.num_answers).items()
            if name in found
        }
        decays = {
            system: {name: decay(part) for name, part in parts.items()}
            for system, parts in flows.items()
        }
        taken = {name: self._spectra(found[name], traced[name]) for name in found}
        horizons = {name: system.stream.horizon for name, system in found.items()}
        numbers = {
            name: {
                "parts": {part: _measure(curve) for part, curve in decays[name].items()},
                "step": _summarise(taken[name][2]),
                "horizon_in_training": horizons[name],
            }
            for name in found
        }
        every = Findings(
            lines=[
                line
                for name, system in found.items()
                for line in _lines(name, numbers[name], top_part(system), len(found) > 1)
            ],
            numbers=numbers,
            tables={
                "": [["system", "part", "answer_step", "state_step", "norm"], *_flow_rows(flows)],
                "decay": [["system", "part", "distance_steps", "share"], *_decay_rows(decays)],
                "jacobian": [
                    ["system", "sequence", "step", "spectral_radius", *_QUANTILES],
                    *_jacobian_rows(taken),
                ],
            },
            pictures={
                "": Picture(lambda: _draw_flows(found, flows, decays)),
                "jacobian": Picture(lambda: _draw_jacobians(taken)),
            },
        )
        return self._with_gains(every, model, task, batch) if self.gains else every

    def _with_gains(self, every: Findings, model: Model, task: Task, batch: Batch) -> Findings:
        """Add how the last answer's gradient fades at each gain.

        It is of the highest part of the first system. Of one answer: where gradients grow, the
        largest ones of several answers have no common scale.
        """
        name, system = next(iter(stateful(model).items()))
        curves = {
            gain: decay(flow(amplified(model, gain), task, batch, 1)[name][top_part(system)])
            for gain in within_budget(self.gains or [], "gains")
        }
        factors = {gain: math.exp(slope(curve)) for gain, curve in curves.items()}
        return replace(
            every,
            lines=[
                *every.lines,
                *(f"gain {g:g}: {f:.3g} times a step" for g, f in factors.items()),
            ],
            numbers={**every.numbers, "factor_per_step_at_gains": factors},
            pictures={**every.pictures, "gains": Picture(lambda: draw_fading(curves, factors))},
        )

    def _spectra(self, system: System, trace: Trace) -> SampledJacobians:
        """Return the Jacobians at evenly spaced steps of the first rows."""
        rows = min(_ROWS, len(trace.mask), self.num_jacobians)
        places = [
            (row, step)
            for row in range(rows)
            for step in evenly_spaced(
                trace.mask[row].nonzero().flatten(), self.num_jacobians // rows
            )
        ]
        rows_taken, steps = torch.tensor(places).T
        found = spectra(system, trace, rows_taken, steps)
        done = len(found.radius)
        return rows_taken[:done], steps[:done], found


def _measure(curve: GradientDecay) -> dict[str, Any]:
    fall = slope(curve)
    return {
        "effective_horizon_steps": effective_horizon(curve),
        "reach_steps": reach(curve, _FEW),
        "reach_share": _FEW,
        "longest_steps": int(curve.distances[-1]) if len(curve.distances) else None,
        "log_slope_per_step": fall,
        "factor_per_step": math.exp(fall),
    }


def _summarise(taken: Spectra) -> dict[str, float]:
    return {
        "spectral_radius_mean": float(taken.radius.mean()),
        "spectral_radius_max": float(taken.radius.max()),
        "singular_largest_mean": float(taken.singular[:, 0].mean()),
        "singular_above_1": float((taken.singular > 1).double().sum(1).mean()),
        "size": taken.singular.shape[1],
    }


def _lines(name: str, found: Mapping[str, Any], top: str, several: bool) -> Iterator[str]:
    """Summarise the highest layer of one system."""
    layer = top.rpartition(".")[0]
    for part, has in found["parts"].items():
        if part.rpartition(".")[0] != layer:
            continue
        if has["longest_steps"] is None:
            yield f"{name}.{part}: no answer sends any gradient here"
            continue
        whole = has["reach_steps"] == has["longest_steps"]
        far = f"{has['reach_steps']} steps" + (", as far as there are any" if whole else "")
        fall = has["factor_per_step"]
        yield (
            f"{f'{name}.' if several else ''}{part}: effective horizon "
            f"{has['effective_horizon_steps']:.1f} steps; more than {_FEW:.0%} of the largest "
            f"gradient reaches {far}" + ("" if math.isnan(fall) else f"; {fall:.3g} times a step")
        )
    step = found["step"]
    yield (
        f"step Jacobian{f' of the {name}' if several else ''}: spectral radius "
        f"{step['spectral_radius_mean']:.3g} (at most {step['spectral_radius_max']:.3g}), largest "
        f"singular value {step['singular_largest_mean']:.3g}, {step['singular_above_1']:.1f} of "
        f"{step['size']} above 1"
    )
    if found["horizon_in_training"] is not None:
        yield (
            f"training cut gradients after {found['horizon_in_training']} steps; here they flow on"
        )


def _flow_rows(flows: Mapping[str, Mapping[str, Flow]]) -> Iterator[list[Any]]:
    for system, parts in flows.items():
        for part, gradients in parts.items():
            rows = gradients.norms.nanmean(0).tolist()
            for answer, row in zip(gradients.answers.tolist(), rows, strict=True):
                for step, norm in zip(gradients.steps.tolist(), row, strict=True):
                    if not math.isnan(norm):
                        yield [system, part, answer, step, norm]


def _decay_rows(decays: Mapping[str, Mapping[str, GradientDecay]]) -> Iterator[list[Any]]:
    for system, parts in decays.items():
        for part, curve in parts.items():
            for distance, share in zip(*(values.tolist() for values in curve), strict=True):
                yield [system, part, distance, share]


def _jacobian_rows(taken: Mapping[str, SampledJacobians]) -> Iterator[list[Any]]:
    for system, (rows, steps, found) in taken.items():
        chosen = found.singular.quantile(
            torch.tensor(list(_QUANTILES.values())).to(found.singular), dim=1
        ).T
        for row, step, radius, values in zip(
            rows.tolist(), steps.tolist(), found.radius.tolist(), chosen.tolist(), strict=True
        ):
            yield [system, row, step, radius, *values]


def _draw_flows(
    found: Mapping[str, System],
    flows: Mapping[str, Mapping[str, Flow]],
    decays: Mapping[str, Mapping[str, GradientDecay]],
) -> "Figure":
    """Draw the norms as a heat map and their decay with distance, for each system."""
    figure, grid = panels(len(found), 2, height=4.0, width_ratios=[1.15, 1])
    for (left, right), (name, system) in zip(grid, found.items(), strict=True):
        part = top_part(system)
        _draw_heat(figure, left, flows[name][part], part.rpartition(".")[2])
        where = f"{name}:\n" if len(found) > 1 else ""
        left.set_title(f"{where}gradient of the loss at t by {part} at s")
        _draw_decay(right, decays[name])
        right.set_title("how it fades; dashes: its horizon")
        for axis in (left.xaxis, left.yaxis, right.xaxis):
            axis.get_major_locator().set_params(integer=True)
        answers = flows[name][part].answers.tolist()
        if len(answers) <= _FEW_ANSWERS:  # ticks would stand between them
            left.set_yticks(answers)
    return figure


def _draw_heat(figure: "Figure", axes: "Axes", gradients: Flow, part: str) -> None:
    from matplotlib.colors import LogNorm

    norms = gradients.norms.nanmean(0).numpy()
    most = np.nanmax(norms, initial=0) or 1.0
    smallest = np.nanmin(norms, initial=most / 10)
    least = max(smallest, most * _LEAST)
    extend = "min" if smallest < least else "neither"
    image = axes.pcolormesh(
        _edges(gradients.steps),
        _edges(gradients.answers),
        np.maximum(norms, least),  # NaN stays NaN
        norm=LogNorm(least, most),
        cmap=shades(),
        rasterized=True,
    )
    axes.grid(False)
    axes.set_facecolor([share / 255 for share in MISSING])
    axes.set(xlabel="step s of the state", ylabel="answered step t")
    figure.colorbar(image, ax=axes, label=f"|dL(t) / d {part}(s)|", extend=extend, pad=0.02)


def _draw_decay(axes: "Axes", curves: Mapping[str, GradientDecay]) -> None:
    """Draw the decay of each part, and in its colour its effective horizon as dashes."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for color, (part, curve) in zip(cycle(COLORS), curves.items(), strict=False):
        axes.plot(*(values.numpy() for values in curve), color=color, label=part)
        horizon = effective_horizon(curve)
        if math.isfinite(horizon):
            look = {"color": color, "linestyle": "--", "linewidth": 1.6}
            axes.axvline(horizon, **look, label=f"horizon {horizon:.1f}")
    axes.set_yscale("log")
    bottom = min(0.1, max(axes.get_ylim()[0], _LEAST))
    axes.set_ylim(bottom=bottom, top=1.5)
    seen = [float(d) for c in curves.values() for d in c.distances[c.shares >= bottom].tolist()]
    axes.set_xlim(-0.03 * max(seen, default=1), 1.05 * max([*seen, 1.0]))
    axes.yaxis.set_major_locator(LogLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="distance t - s (steps)", ylabel="share of the largest")
    axes.legend(frameon=True, framealpha=0.8, edgecolor="none")


def _draw_jacobians(taken: Mapping[str, SampledJacobians]) -> "Figure":
    """Draw the spectral radius along sequences, and all singular values, for each system."""
    figure, grid = panels(len(taken), 2, height=4.0)
    for (left, right), (name, (rows, steps, found)) in zip(grid, taken.items(), strict=True):
        for axes in (left, right):
            look = {"color": GREY, "linestyle": "--", "linewidth": 1.6}
            axes.axhline(1, **look, label="1: neither grows nor shrinks")
            axes.xaxis.get_major_locator().set_params(integer=True)
        for color, values, label in (
            (COLORS[1], found.singular[:, 0], "largest singular value"),
            (COLORS[0], found.radius, "spectral radius"),
        ):
            for row in rows.unique():
                own = rows == row
                left.plot(
                    steps[own].numpy(), values[own].numpy(), color=color, linewidth=1.6, label=label
                )
                label = ""
        left.set_ylim(bottom=0)
        left.legend()
        left.set(xlabel="step", ylabel="value")
        where = f"{name}:\n" if len(taken) > 1 else ""
        left.set_title(f"{where}step Jacobian along {len(rows.unique())} sequences")
        low, middle, high = np.quantile(found.singular.numpy(), [0.1, 0.5, 0.9], axis=0).clip(
            _LEAST / 10
        )
        ranks = np.arange(1, len(middle) + 1)
        right.set_yscale("log")
        band = {"color": COLORS[1], "alpha": 0.2, "linewidth": 0, "label": "10 to 90 %"}
        right.fill_between(ranks, low, high, **band)
        right.plot(ranks, middle, color=COLORS[1], label="median over the steps")
        right.set_ylim(bottom=max(right.get_ylim()[0], _LEAST))
        right.set(xlabel="rank", ylabel="singular value")
        right.set_title("all singular values")
        right.legend(loc="lower left")
    return figure


def _edges(places: Tensor) -> NDArray[np.float64]:
    """Return cell edges half-way between ascending steps."""
    known = places.double().numpy()
    inner = (known[1:] + known[:-1]) / 2
    return np.concatenate([[known[0] - 0.5], inner, [known[-1] + 0.5]])
