"""Gate activations of LSTM and GRU over a sequence, and how often the gates saturate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlab.analysis.base import Analysis, Findings, Picture, Rows
from rnnlab.analysis.figures.style import DIVERGING, new_figure, shades
from rnnlab.analysis.numerics.pca import Numbers
from rnnlab.analysis.probe.labelled_trace import LabelledTrace, labelled_trace, layer_parts
from rnnlab.analysis.probe.system import System, Trace, systems
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.models.base import Model
from rnnlab.plots.palette import COLORS, GREY, MARKERS
from rnnlab.ranges import Count, PositiveInt, Share
from rnnlab.state import State, unflatten
from rnnlab.tasks.base import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLES = {
    "forget": "forget gate (keep)",
    "input": "input gate (write)",
    "output": "output gate (read)",
    "update": "update gate (keep)",
    "reset": "reset gate",
    "cell": "memory cell",
    "hidden": "hidden state",
}
_NEARLY_ALWAYS = 0.9  # share of the steps


@runtime_checkable
class Gated(Protocol):
    """A cell with gates."""

    def gates(self, input: Tensor, state: State) -> dict[str, Tensor]:
        """Return the activation `(B, H)` of each gate, first of the one that keeps the state."""
        ...


class Saturation(NamedTuple):
    """The share of steps in which each gate of a layer is shut, and open, each `(H,)`."""

    shut: Numbers
    open: Numbers


class UnitSeries(NamedTuple):
    """The activations of one gate or state vector over a sequence.

    Attributes:
        name: name of the gate, or of the part of the state.
        values: `(H, T)`, the units sorted by the mean activation of the first gate.
        is_gate: whether the values are of a gate.
    """

    name: str
    values: Numbers
    is_gate: bool


@dataclass(frozen=True, kw_only=True)
class Gates(Analysis):
    """Gates, memory cell and hidden state over a sequence, and how often gates saturate.

    Karpathy, Johnson and Li (2015), Visualizing and understanding recurrent networks, sections
    4.2 and 4.3. Units are sorted by the mean activation of their forget (GRU: update) gate: those
    that keep longest are at the top. Without a forget gate the input gate sorts them.

    Args:
        system: a part of the model; `null` is the first with gates.
        layer: the layer drawn over the sequence, from 1; `null` is the highest.
        sequence: index of the sequence drawn.
        num_steps: number of its steps drawn at most.
        num_units: number of units drawn, evenly spaced in the order.
        num_sequences: number of test sequences.
        length: length of the sequences as the task counts it, or `null`.
        shut_below: a gate below this is shut, left-saturated.
        open_above: a gate above this is open, right-saturated.
    """

    system: str | None
    layer: PositiveInt | None
    sequence: Count
    num_steps: PositiveInt
    num_units: PositiveInt
    num_sequences: PositiveInt
    length: PositiveInt | None
    shut_below: Share
    open_above: Share

    def __post_init__(self) -> None:
        """Check settings against each other."""
        if self.shut_below >= self.open_above:
            raise ConfigError(
                f"shut_below must be less than open_above={self.open_above}, got {self.shut_below}"
            )

    def refusal(self, model: Model, task: Task) -> str | None:  # noqa: ARG002
        """Reject cells without gates."""
        kinds = {type(cell).__name__ for s in systems(model).values() for cell in s.cell.layers}
        named = " and ".join(sorted(kinds)) or "its"
        return None if _gated(model) else f"{named} cells have no gates"

    def analyze(self, experiment: Experiment) -> Findings:
        """Compute the gates on test sequences."""
        gated = _gated(experiment.model)
        if self.system is not None and self.system not in gated:
            raise ConfigError(
                f"analysis.system must be null or one of {', '.join(gated)}, which have gates, "
                f"got {self.system}"
            )
        system = self.system or gated[0]
        labelled = labelled_trace(experiment, system, self.num_sequences, self.length)
        if self.sequence >= len(labelled.real):
            raise ConfigError(
                f"analysis.sequence must be below the {len(labelled.real)} sequences, "
                f"got {self.sequence}"
            )
        opened = gates(labelled.system, labelled.trace, labelled.states)
        saturation = [
            {name: self._saturation(values[labelled.real]) for name, values in layer.items()}
            for layer in opened
        ]
        columns = labelled.columns(self.sequence, self.num_steps)
        order, strips = self._strips(labelled, opened, len(columns))
        named = labelled.symbols is not None
        count = len(opened)
        layers = [f"layer {i}" for i in range(1, count + 1)] if count > 1 else [""]
        return Findings(
            lines=[
                f"shares of time that gates are shut (below {self.shut_below:g}) and open "
                f"(above {self.open_above:g}):",
                *_lines(layers, saturation),
            ],
            numbers={
                "system": labelled.name,
                "steps": int(labelled.real.sum()),
                "saturation": [
                    {name: found._asdict() for name, found in layer.items()} for layer in saturation
                ],
                "mean": [
                    {name: values[labelled.real].mean(dim=0) for name, values in layer.items()}
                    for layer in opened
                ],
                "symbols": columns,
                "units": order,
            },
            tables={
                "": _table(strips, order, columns),
                "saturation": _saturation_table(saturation),
            },
            pictures={
                "": Picture(partial(_draw_strips, strips, columns, named, self.num_units)),
                "saturation": Picture(partial(_draw_saturation, layers, saturation)),
            },
        )

    def _saturation(self, values: Tensor) -> Saturation:
        sides = values < self.shut_below, values > self.open_above
        return Saturation(*(side.float().mean(dim=0).numpy() for side in sides))

    def _strips(
        self, labelled: LabelledTrace, opened: Sequence[Mapping[str, Tensor]], num_steps: int
    ) -> tuple[NDArray[np.int64], list[UnitSeries]]:
        """Return the sorted units, and their gates and states in one layer and sequence."""
        parts = layer_parts(labelled.system, self.layer)
        gates = opened[(self.layer or len(opened)) - 1]
        keep = next(iter(gates.values()))[labelled.real].mean(dim=0)
        order = keep.argsort(descending=True)
        carried = {part.name: labelled.states[..., part.units] for part in reversed(parts)}
        return order.numpy(), [
            UnitSeries(name, values[self.sequence, :num_steps, order].T.numpy(), name in gates)
            for name, values in {**gates, **carried}.items()
        ]


@torch.no_grad()
def gates(system: System, trace: Trace, visited: Tensor) -> list[dict[str, Tensor]]:
    """Return the activations `(B, T, H)` of each layer's gates by name.

    Args:
        system: a system of gated cells.
        trace: what they read.
        visited: `(B, T, D)`, the states after each step.
    """
    before = torch.cat([trace.start[:, None], visited[:, :-1]], dim=1)
    template = system.cell.initial_state(1)
    starts = unflatten(trace.start, template)
    states = unflatten(before.flatten(0, 1), template)
    inputs, found = trace.inputs, []
    for cell, start, state in zip(system.cell.layers, starts, states, strict=True):
        assert isinstance(cell, Gated)
        opened = cell.gates(inputs.flatten(0, 1), state)
        found.append({k: v.unflatten(0, inputs.shape[:2]) for k, v in opened.items()})
        inputs, _ = cell.unroll(inputs, start)
    return found


def _gated(model: Model) -> list[str]:
    """Return the names of the systems whose cells have gates."""
    return [
        name
        for name, system in systems(model).items()
        if all(isinstance(cell, Gated) for cell in system.cell.layers)
    ]


def _lines(layers: Sequence[str], saturation: Sequence[Mapping[str, Saturation]]) -> list[str]:
    lines = []
    for layer, gates in zip(layers, saturation, strict=True):
        for name, found in gates.items():
            always = int((found.open > _NEARLY_ALWAYS).sum())
            lines.append(
                f"{layer} {_TITLES.get(name, name)}: ".lstrip()
                + f"{found.shut.mean():.1%} shut, {found.open.mean():.1%} open; "
                + f"{always} of {len(found.open)} units open nearly always"
            )
    return lines


def _table(strips: Sequence[UnitSeries], order: NDArray[np.int64], columns: Sequence[str]) -> Rows:
    """Return a row for each unit and step of the drawn sequence."""
    return [
        ["unit", "step", "symbol", *(strip.name for strip in strips)],
        *(
            [int(unit), step, symbol, *(float(strip.values[row, step]) for strip in strips)]
            for row, unit in enumerate(order)
            for step, symbol in enumerate(columns)
        ),
    ]


def _saturation_table(saturation: Sequence[Mapping[str, Saturation]]) -> Rows:
    return [
        ["layer", "gate", "unit", "shut", "open"],
        *(
            [layer, name, unit, float(shut), float(open)]
            for layer, gates in enumerate(saturation, start=1)
            for name, found in gates.items()
            for unit, (shut, open) in enumerate(zip(*found, strict=True))
        ),
    ]


def _draw_strips(
    strips: Sequence[UnitSeries], columns: Sequence[str], named: bool, num_units: int
) -> "Figure":
    """Draw a heat map of each gate and state vector, above the symbols."""
    total = len(strips[0].values)
    rows = np.linspace(0, total - 1, min(num_units, total)).round().astype(int)
    figure = new_figure(13.3, 1.4 + 1.55 * len(strips))
    grid = figure.subplots(len(strips), 1, sharex=True, squeeze=False)[:, 0]
    for axes, strip in zip(grid, strips, strict=True):
        values = strip.values[rows]
        most = 1 if strip.is_gate else float(np.quantile(np.abs(values), 0.98)) or 1.0
        image = axes.imshow(
            values,
            aspect="auto",
            cmap=shades() if strip.is_gate else DIVERGING,
            vmin=0 if strip.is_gate else -most,
            vmax=most,
        )
        axes.set(title=_TITLES.get(strip.name, strip.name), yticks=[], ylabel="unit")
        axes.tick_params(axis="x", length=0)
        axes.grid(visible=False)
        extend = "neither" if np.abs(values).max() <= most else "both"
        bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=8, extend=extend)
        bar.set_label("openness" if strip.is_gate else "value", fontsize=13)
        bar.ax.tick_params(labelsize=12)
    if named:
        long = max(map(len, columns)) > 2
        grid[-1].set_xticks(range(len(columns)), columns, rotation=90 if long else 0)
    grid[-1].set_xlabel("symbol read" if named else "step")
    units = f"{len(rows)} of {total} units" if len(rows) < total else f"{total} units"
    first = _TITLES.get(strips[0].name, strips[0].name)
    grid[0].set_title(f"{first}; {units}, the largest on top")
    return figure


def _draw_saturation(
    layers: Sequence[str], saturation: Sequence[Mapping[str, Saturation]]
) -> "Figure":
    """Draw a dot for each unit: the share of steps in which its gate is shut, and open."""
    names = list(saturation[0])
    figure = new_figure(0.9 + 4.2 * len(names), 5.2)
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(grid, names, strict=True):
        axes.plot([0, 1], [1, 0], color=GREY, linewidth=1.2, linestyle="--")
        look = {"color": GREY, "rotation": -45, "rotation_mode": "anchor", "size": 12}
        axes.text(0.5, 0.52, "always shut or open", ha="center", va="bottom", **look)
        for layer, gates, color, marker in zip(layers, saturation, COLORS, MARKERS, strict=False):
            look = {"color": color, "marker": marker, "alpha": 0.55, "linewidths": 0, "s": 60}
            axes.scatter(gates[name].shut, gates[name].open, label=layer, **look)
        axes.set(title=_TITLES.get(name, name), xlabel="share of time shut", aspect="equal")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    grid[0].set_ylabel("share of time open")
    if len(layers) > 1:
        grid[-1].legend(loc="upper right")
    return figure
