"""Figure of an unrolled network: activations, deltas, and the weight change of each step."""

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


class Column(NamedTuple):
    """A step of the figure.

    Attributes:
        heading: its name.
        target: its target, or "".
        loss: its loss, NaN without an answer.
        input: what is read.
    """

    heading: str
    target: str
    loss: float
    input: str


class Band(NamedTuple):
    """A row of the figure: a vector of n units over C steps, NaN in steps without it.

    Attributes:
        name: name of the vector.
        labels: labels of its units in each step.
        values: `(C, n)`, activations.
        deltas: `(C, n)`, dL/d activation.
        feeds: index of the band that reads the vector in the next step, or `None`.
        carried: `(C,)`, norm of the gradient that each step passes to the previous one.
    """

    name: str
    labels: Sequence[Sequence[str]]
    values: Tensor
    deltas: Tensor
    feeds: int | None
    carried: Tensor


class WeightChange(NamedTuple):
    """The change of a weight matrix by one step of gradient descent.

    Attributes:
        name: name of the matrix.
        columns: the columns of the steps that use it.
        steps: `(U, R, K)`, their contributions.
        total: `(R, K)`, the sum of the contributions of all steps.
        norms: `(U,)`, norms of the contributions, with the rows and columns that aren't drawn.
        total_norm: norm of the sum.
        num_steps: number of all steps.
        before: whether earlier steps contribute to the sum.
        after: whether later steps contribute to the sum.
    """

    name: str
    columns: Sequence[int]
    steps: Tensor
    total: Tensor
    norms: Tensor
    total_norm: float
    num_steps: int
    before: bool
    after: bool


class UnrolledNet(NamedTuple):
    """The content of the figure.

    Attributes:
        title: its title.
        columns: the steps.
        bands: vectors of units from top to bottom, the output first.
        changes: changes of the weight matrices.
        notes: lines about what is left out.
    """

    title: str
    columns: Sequence[Column]
    bands: Sequence[Band]
    changes: Sequence[WeightChange]
    notes: Sequence[str]


# Inches. The axes fill the figure, with y downwards.
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
    """Draw the network unrolled from left to right, and below it the weight changes."""
    from matplotlib.figure import Figure

    tops, y = {}, 1.9
    for band in drawn.bands:
        tops[band.name] = y
        y += _CELL * band.values.shape[1] + 0.55
    inputs = y
    y += 0.28 * max(text.count("\n") + 1 for _, _, _, text in drawn.columns) + 0.65
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
    """The axes of the figure, and the methods that draw its parts."""

    def __init__(self, axes: "Axes", drawn: UnrolledNet, tops: Mapping[str, float]) -> None:
        self.axes = axes
        self.drawn = drawn
        self.tops = tops
        self.most = max(_largest(band.deltas.nan_to_num(0)) for band in drawn.bands)
        exponent = math.floor(math.log10(self.most))
        self.exponent = 0 if exponent in (0, 1) else exponent
        self.scale = 10.0**-self.exponent

    def head(self) -> None:
        """Draw the title, the headings of the steps with targets and losses, and the legend."""
        self._text(0.15, 0.3, self.drawn.title, size=17, ha="left")
        power = {0: "", -1: " · 10"}.get(self.exponent, f" · {_power(-self.exponent)}")
        for column, (name, target, loss, _) in enumerate(self.drawn.columns):
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
        """Draw the values and the deltas of a vector in each step."""
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
        """Draw the input of each step."""
        self._text(_NAMES, top + 0.15, "input", ha="right")
        for column, step in enumerate(self.drawn.columns):
            self._text(_x(column) + _BODY / 4, top, step.input, size=15, va="top")

    def arrows(self, inputs: float) -> None:
        """Draw the arrows between bands: forward beside the values, backward beside the deltas."""
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
        # Below its arrow: of a steep one, which others cross, in the corner that it leaves free.
        x, y = (left + right) / 2, start + 0.44
        if source is not target:
            x, y = left + 0.1, start + 0.12 + 0.5 * (end - start)
        self._text(x, y, _spell(back * self.scale), size=12, color=_BACK)

    def _end(self, band: Band, column: int) -> float:
        return self.tops[band.name] + _CELL * _count(band, column)

    def change(self, top: float, change: WeightChange) -> None:
        """Draw the contribution of each step to a matrix's change, their sum and their mean."""
        middle = top + _MAP / 2
        self._text(_NAMES, middle, f"Δ {change.name}", ha="right")
        mean = change.total / change.num_steps
        scales = [_largest(values) for values in (change.steps, change.total, mean)]
        if not (change.before or change.after):
            scales = [max(scales)] * 3  # so that the sum can be seen
        for column, step, norm in zip(change.columns, change.steps, change.norms, strict=True):
            self._map(_x(column), top, step / scales[0], short(float(norm)))
            sign = "+" if column > change.columns[0] else "... +" if change.before else ""
            self._sign(column, middle, sign)
        last = len(self.drawn.columns)
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
    """Return the number of units of a band in a step."""
    return int((~band.values[column].isnan()).sum())


def _labelled(band: Band, column: int) -> bool:
    """Whether the units of a step are labelled: only if the labels differ from the last step."""
    labels = band.labels[column]
    return any(labels) and (column == 0 or labels != band.labels[column - 1])


def _spell(value: float) -> str:
    """Return a number in at most four characters."""
    text = f"{value:.2f}" if abs(value) < 9.995 else f"{value:.1f}"
    if abs(value) < 0.995:
        text = text.replace("0.", ".", 1)
    return text.replace("-", "" if abs(value) < 0.005 else "\N{MINUS SIGN}")


def short(value: float) -> str:
    """Return an amount in two digits and a power of ten."""
    if value == 0 or 0.01 <= value < 100:
        return f"{value:.2g}"
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{digits} · {_power(int(exponent))}"


def _power(exponent: int) -> str:
    """Return a power of ten in Unicode, as mathtext would parse dollar signs in labels."""
    return "10" + str(exponent).translate(_RAISED)
