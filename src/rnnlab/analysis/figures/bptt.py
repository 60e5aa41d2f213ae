"""The drawing of an unrolled net: activations, deltas, and each step's weight change."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from rnnlab.analysis.figures.style import DIVERGING
from rnnlab.plots.palette import COLORS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Band(NamedTuple):
    """A vector of units over the C drawn steps; nan in steps that have none.

    Attributes:
        name: of the vector.
        labels: of its units in each step, "" for none.
        values: `(C, n)`.
        deltas: `(C, n)`.
        feeds: the band that reads it in the next step; `None` if none does.
        carried: `(C,)` norm of the gradient that each step hands back to the step before.
    """

    name: str
    labels: Sequence[Sequence[str]]
    values: Tensor
    deltas: Tensor
    feeds: int | None
    carried: Tensor


class WeightChange(NamedTuple):
    """What becomes of a weight matrix.

    Attributes:
        name: of the matrix.
        steps: `(C, R, K)` the change of each drawn step's copy, nan where it has none.
        total: `(R, K)` the sum over all steps, drawn or not.
        norms: `(C,)` of the steps' changes, of rows and columns that aren't drawn too.
        total_norm: that of the sum.
        num_steps: how many those are.
        before: whether steps to the left of the drawn ones add to the sum.
        after: whether such to their right do.
    """

    name: str
    steps: Tensor
    total: Tensor
    norms: Tensor
    total_norm: float
    num_steps: int
    before: bool
    after: bool


class UnrolledNet(NamedTuple):
    """Everything that the drawing shows; bands from top to bottom, the answers first.

    Attributes:
        title: what it is.
        columns: a heading for each step.
        targets: what was right, or "".
        losses: what the answers cost, nan where there is none.
        inputs: what was read.
        bands: vectors of units.
        changes: of the weights.
        notes: what was left out.
    """

    title: str
    columns: Sequence[str]
    targets: Sequence[str]
    losses: Sequence[float]
    inputs: Sequence[str]
    bands: Sequence[Band]
    changes: Sequence[WeightChange]
    notes: Sequence[str]


# Inches. The axes are as large as the figure, with y downwards.
_LEFT, _BODY, _GAP, _CELL, _MAP = 2.5, 1.36, 0.84, 0.3, 1.0
_NAMES = _LEFT - 0.85
_FORWARD, _BACK, _DELTAS = COLORS[0], COLORS[1], "PuOr"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEGEND = (
    ("forward: value of each unit", _FORWARD),
    ("back: δ = dL/d value", _BACK),
    ("at arrows: norm handed back", _BACK),
    ("below: each step's change of", GREY),
    ("its own copy of the weights,", GREY),
    ("their sum, and their mean", GREY),
)


def draw(drawn: UnrolledNet) -> "Figure":
    """Draw the net unrolled from left to right, and below it how its weights change."""
    from matplotlib.figure import Figure

    tops, y = {}, 1.9
    for band in drawn.bands:
        tops[band.name] = y
        y += _CELL * band.values.shape[1] + 0.55
    inputs = y
    y += 0.28 * max(text.count("\n") + 1 for text in drawn.inputs) + 0.65
    maps = [y + (_MAP + 0.55) * row for row in range(len(drawn.changes))]
    y += (_MAP + 0.55) * len(maps)
    width = _x(len(drawn.columns) + 2) - _GAP + 0.1
    figure = Figure(figsize=(width, y))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(y, 0))
    axes.axis("off")
    sheet = _Sheet(axes, drawn, tops)
    sheet.head()
    for band in drawn.bands:
        sheet.band(band)
    sheet.arrows(inputs)
    sheet.read(inputs)
    for top, change in zip(maps, drawn.changes, strict=True):
        sheet.change(top, change)
    return figure


class _Sheet:
    """Where everything of a drawing stands, and how it looks."""

    def __init__(self, axes: "Axes", drawn: UnrolledNet, tops: Mapping[str, float]) -> None:
        self.axes = axes
        self.drawn = drawn
        self.tops = tops
        self.most = max(_largest(band.deltas.nan_to_num(0)) for band in drawn.bands)
        exponent = math.floor(math.log10(self.most))
        self.exponent = 0 if exponent in (0, 1) else exponent
        self.scale = 10.0**-self.exponent

    def head(self) -> None:
        """Write the title, the steps, what was right there, and how to read the rest."""
        self._text(0.15, 0.3, self.drawn.title, size=17, ha="left")
        power = {0: "", -1: " · 10"}.get(self.exponent, f" · {_power(-self.exponent)}")
        told = zip(self.drawn.columns, self.drawn.targets, self.drawn.losses, strict=True)
        for column, (name, target, loss) in enumerate(told):
            x = _x(column)
            self._text(x + _BODY / 2, 0.75, name, size=15)
            if target:
                self._text(x + _BODY / 2, 1.08, f"target {target}", color=GREY)
            if not math.isnan(loss):
                self._text(x + _BODY / 2, 1.36, f"loss {short(loss)}", color=GREY)
            self._text(x + _BODY / 4, 1.75, "value", size=12, color=_FORWARD)
            self._text(x + _BODY * 0.75, 1.75, f"δ{power}", size=12, color=_BACK)
        notes = [(note, GREY) for note in self.drawn.notes]
        for row, (text, color) in enumerate([*_LEGEND, *notes]):
            self._text(_x(column + 1) - 0.3, 1.75 + 0.33 * row, text, ha="left", color=color)

    def band(self, band: Band) -> None:
        """Draw a vector in each step: its values, and beside them its deltas."""
        top = self.tops[band.name]
        middle = top + _CELL * band.values.shape[1] / 2
        self._text(_NAMES, middle, band.name.replace(".", "\n"), ha="right")
        limit = max(1.0, _largest(band.values.nan_to_num(0)))
        for column, units in enumerate(
            zip(band.values.tolist(), band.deltas.tolist(), strict=True)
        ):
            x = _x(column)
            for unit, (value, delta) in enumerate(zip(*units, strict=True)):
                y = top + _CELL * unit
                if math.isnan(value):
                    continue
                self._cell(x, y, value / limit, DIVERGING, _spell(value))
                share = delta / self.most
                self._cell(x + _BODY / 2, y, share, _DELTAS, _spell(delta * self.scale))
                if _labelled(band, column):
                    label = band.labels[column][unit]
                    self._text(x - 0.05, y + _CELL / 2, label, size=12, ha="right", color=GREY)

    def read(self, top: float) -> None:
        """Write what each step read."""
        self._text(_NAMES, top + 0.15, "input", ha="right")
        for column, text in enumerate(self.drawn.inputs):
            self._text(_x(column) + _BODY / 4, top, text, size=15, va="top")

    def arrows(self, inputs: float) -> None:
        """Join the bands: forward on the side of the values, back on that of the deltas."""
        most = max(_largest(band.carried.nan_to_num(0)) for band in self.drawn.bands)
        for column in range(len(self.drawn.columns)):
            self._join_bands(column, inputs)
            for band in self.drawn.bands if column else ():
                if band.feeds is not None and _count(band, column - 1):
                    self._join_steps(column, band, self.drawn.bands[band.feeds], most)

    def _join_bands(self, column: int, inputs: float) -> None:
        up, down = _x(column) + _BODY / 4, _x(column) + _BODY * 0.75
        there = [band for band in self.drawn.bands if _count(band, column)]
        for upper, lower in pairwise(there):
            end, top = self._end(upper, column), self.tops[lower.name]
            self._arrow((up, top), (up, end), _FORWARD)
            self._arrow((down, end), (down, top), _BACK)
        if there:
            self._arrow((up, inputs - 0.02), (up, self._end(there[-1], column)), _FORWARD)

    def _join_steps(self, column: int, source: Band, target: Band, most: float) -> None:
        back = float(source.carried[column])
        if math.isnan(back):
            return
        left = _x(column - 1) + _BODY + 0.06
        right = _x(column) - (0.4 if _labelled(target, column) else 0.06)
        start, end = (
            self.tops[band.name] + _CELL * band.values.shape[1] / 2 for band in (source, target)
        )
        self._arrow((left, start - 0.16), (right, end - 0.16), _FORWARD)
        self._arrow((right, end + 0.12), (left, start + 0.12), _BACK, 1 + 4 * back / most)
        level = source is target
        self._text(
            (left + right) / 2,
            (start + end) / 2 + (0.32 if level else 0.12),
            _spell(back * self.scale),
            size=12,
            color=_BACK,
            bbox=None if level else {"color": "white", "pad": 1.5},
        )

    def _end(self, band: Band, column: int) -> float:
        return self.tops[band.name] + _CELL * _count(band, column)

    def change(self, top: float, change: WeightChange) -> None:
        """Draw the change of each step's copy of a matrix, their sum and their mean."""
        middle = top + _MAP / 2
        self._text(_NAMES, middle, f"Δ {change.name}", ha="right")
        there = [c for c, step in enumerate(change.steps) if not step.isnan().any()]
        mean = change.total / change.num_steps
        scales = [_largest(values) for values in (change.steps[there], change.total, mean)]
        if not (change.before or change.after):
            scales = [max(scales)] * 3  # they add up before one's eyes
        for column in there:
            caption = short(float(change.norms[column]))
            self._map(_x(column), top, change.steps[column] / scales[0], caption)
            sign = "+" if column > there[0] else "... +" if change.before else ""
            self._sign(column, middle, sign)
        last = len(change.steps)
        self._sign(last, middle, "+ ... =" if change.after else "=")
        norm, fewer = change.total_norm, change.total_norm / change.num_steps
        self._map(_x(last), top, change.total / scales[1], f"sum {short(norm)}")
        self._map(_x(last + 1), top, mean / scales[2], f"mean {short(fewer)}")

    def _sign(self, column: int, middle: float, sign: str) -> None:
        self._text(_x(column) - _GAP / 2, middle, sign, size=17)

    def _map(self, x: float, top: float, values: Tensor, caption: str) -> None:
        rows, columns = values.shape
        self.axes.pcolormesh(
            np.linspace(x, x + _BODY, columns + 1),
            np.linspace(top, top + _MAP, rows + 1),
            values.numpy(),
            cmap=_DELTAS,
            vmin=-1,
            vmax=1,
            rasterized=rows * columns > 100,
        )
        self._frame(x, top, _BODY, _MAP)
        self._text(x + _BODY / 2, top + _MAP + 0.18, caption, size=12)

    def _cell(self, x: float, y: float, share: float, colors: str, text: str) -> None:
        from matplotlib import colormaps

        self._frame(x, y, _BODY / 2, _CELL, colormaps[colors](0.5 + 0.5 * share))
        pale = abs(share) < 0.6
        self._text(x + _BODY / 4, y + _CELL / 2, text, size=12, color="black" if pale else "white")

    def _frame(self, x: float, y: float, width: float, height: float, color: Any = "none") -> None:
        from matplotlib.patches import Rectangle

        self.axes.add_patch(
            Rectangle((x, y), width, height, facecolor=color, edgecolor=GREY, linewidth=0.7)
        )

    def _arrow(
        self, start: tuple[float, float], end: tuple[float, float], color: str, width: float = 1.6
    ) -> None:
        look = {"arrowstyle": "-|>", "color": color, "linewidth": width, "shrinkA": 1, "shrinkB": 1}
        self.axes.annotate("", end, start, arrowprops=look)

    def _text(self, x: float, y: float, text: str, **look: Any) -> None:
        self.axes.text(x, y, text, **{"size": 14, "ha": "center", "va": "center"} | look)


def _x(column: int) -> float:
    return _LEFT + column * (_BODY + _GAP)


def _largest(values: Tensor) -> float:
    return float(values.abs().max()) or 1.0


def _count(band: Band, column: int) -> int:
    """Count the units that a step has."""
    return int((~band.values[column].isnan()).sum())


def _labelled(band: Band, column: int) -> bool:
    """Tell whether a step's units are labelled: where they aren't those of the step before."""
    labels = band.labels[column]
    return any(labels) and (column == 0 or labels != band.labels[column - 1])


def _spell(value: float) -> str:
    """Write a number in four signs."""
    text = f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}"
    if abs(value) < 0.995:
        text = text.replace("0.", ".", 1)
    return text.replace("-", "" if abs(value) < 0.005 else "\N{MINUS SIGN}")


def short(value: float) -> str:
    """Write an amount in two digits and a power of ten."""
    if value == 0 or 0.01 <= value < 100:
        return f"{value:.2g}"
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{digits} · {_power(int(exponent))}"


def _power(exponent: int) -> str:
    """Write a power of ten without mathtext, which would read dollars in labels too."""
    return "10" + str(exponent).translate(_RAISED)
