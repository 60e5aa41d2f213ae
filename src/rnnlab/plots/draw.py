"""Small pictures drawn with Pillow alone: curves over time, paths in the plane, heat maps."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from rnnlab.plots.canvas import LABEL, TICK, TITLE, Canvas, Color, text_width
from rnnlab.plots.palette import COLORS, GREY, MISSING, RAMP, TARGET

_FAINT, _FRAME, _SHADE = "#e9e9e9", "#bbbbbb", "#f4f1e8"

_Range = tuple[float, float]


def line_plot(
    panels: Mapping[str, Mapping[str, ArrayLike]],
    *,
    title: str,
    x_label: str,
    x_start: float = 0.0,
    shade_until: float | None = None,
) -> Image.Image:
    """Draw curves over time, one panel above the other.

    Args:
        panels: for each panel's name its curves by name, each `(T,)`. The first of several curves
            is the target, grey and broad; NaN is a gap. The range of y is at most three times
            that of the target: a curve that leaves it is drawn along the edge.
        title: title of the picture.
        x_label: label of the x axis.
        x_start: x of the first number; the next ones are 1 apart.
        shade_until: x up to which the background is shaded, because the values were given.
    """
    width, left, right, top, gap = 900, 90, 20, 50, 16
    height = 190 if len(panels) < 3 else 100
    bottom = top + len(panels) * (height + gap) - gap
    canvas = Canvas(width, bottom + 60)
    canvas.text((left, 24), title, size=TITLE, anchor="lm")
    _legend(canvas, list(next(iter(panels.values()))), right=width - right, y=24)
    length = max(len(np.asarray(c)) for curves in panels.values() for c in curves.values())
    xs = x_start + np.arange(length)
    x_range = (float(xs[0]), float(max(xs[-1], xs[0] + 1)))
    for index, (name, curves) in enumerate(panels.items()):
        y = top + index * (height + gap)
        values = [np.asarray(curve, dtype=float) for curve in curves.values()]
        frame = _Frame(canvas, (left, y, width - right, y + height), x_range, _limits(values))
        if shade_until is not None:
            frame.shade(shade_until)
        frame.grid(x_labels=index == len(panels) - 1, num_y=4)
        for number, curve in enumerate(values):
            frame.curve(xs[: len(curve)], curve, *_style(number, len(values)))
        canvas.text((16, y + height / 2), name, size=LABEL, anchor="mm", upright=True)
    canvas.text(((left + width - right) / 2, bottom + 44), x_label, size=LABEL, anchor="mm")
    return canvas.finish()


def path_plot(paths: Mapping[str, ArrayLike], *, title: str) -> Image.Image:
    """Draw paths in the plane, each `(T, 2)`, at equal scales; the first is the target.

    A dot marks the start of each other path. Ranges are as in `line_plot`.
    """
    size, margin, top = 400, 56, 50
    canvas = Canvas(size + margin + 20, size + top + 60)
    canvas.text((margin, 24), title, size=TITLE, anchor="lm")
    points = [np.asarray(path, dtype=float) for path in paths.values()]
    ranges = [_limits([path[:, axis] for path in points]) for axis in (0, 1)]
    half = max(high - low for low, high in ranges) / 2
    x_range, y_range = ((sum(r) / 2 - half, sum(r) / 2 + half) for r in ranges)
    frame = _Frame(canvas, (margin, top, margin + size, top + size), x_range, y_range)
    frame.grid(x_labels=True, num_y=4, num_x=4)
    for number, path in enumerate(points):
        color, stroke = _style(number, len(points))
        frame.curve(path[:, 0], path[:, 1], color, stroke)
        if number or len(points) == 1:
            frame.dot(path[0], color)
    _legend(canvas, list(paths), right=margin + size, y=top + size + 44)
    return canvas.finish()


def scatter_paths(paths: ArrayLike, *, title: str) -> Image.Image:
    """Draw paths in the plane `(R, T, 2)` with a dot for each step, from light to dark."""
    points = np.asarray(paths, dtype=float)
    size, margin, top = 400, 64, 50
    canvas = Canvas(max(size + margin + 20, 40 + text_width(title, TITLE)), size + top + 36)
    canvas.text((margin, 24), title, size=TITLE, anchor="lm")
    x_range, y_range = (_limits([points[..., axis].ravel()]) for axis in (0, 1))
    frame = _Frame(canvas, (margin, top, margin + size, top + size), x_range, y_range)
    frame.grid(x_labels=True, num_y=4, num_x=4)
    for path in points:
        frame.curve(path[:, 0], path[:, 1], _FRAME, 0.8)
    colors = _shade(np.linspace(0.25, 1, points.shape[1]))
    for step, color in enumerate(colors):
        for point in points[:, step]:
            frame.dot(point, tuple(color), radius=3)
    return canvas.finish()


def heat_map(
    matrix: ArrayLike,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    title: str,
    limits: _Range | None = None,
) -> Image.Image:
    """Draw a matrix `(R, C)` as shades from white to deep blue, with a colour bar.

    Args:
        matrix: the matrix; NaN is grey.
        row_labels: R labels.
        column_labels: C labels, rotated if one is wider than its column.
        title: title of the picture.
        limits: values of white and of deep blue; `None` is the minimum and the maximum.
    """
    values = np.atleast_2d(np.asarray(matrix, dtype=float))
    rows, columns = values.shape
    low, high = limits or (float(np.nanmin(values)), float(np.nanmax(values)))
    cell = min(40, max(12, 720 // max(rows, columns)))
    font = min(LABEL, cell - 1)
    widths = [text_width(label, font) for label in column_labels]
    upright = max(widths, default=0) > cell - 2
    left = 24 + max((text_width(label, font) for label in row_labels), default=0)
    top = 56 + (max(widths, default=0) if upright else font)
    width = max(left + columns * cell + 100, 40 + text_width(title, TITLE))
    canvas = Canvas(math.ceil(width), math.ceil(top + max(rows * cell, 60) + 24))
    canvas.text((16, 24), title, size=TITLE, anchor="lm")
    colors = _shade((values - low) / ((high - low) or 1.0))
    canvas.mosaic((left, top), colors, cell)
    canvas.rectangle((left, top, left + columns * cell, top + rows * cell), outline=_FRAME)
    for row, label in enumerate(row_labels):
        canvas.text((left - 8, top + (row + 0.5) * cell), label, size=font, anchor="rm")
    for column, label in enumerate(column_labels):
        x = left + (column + 0.5) * cell
        if upright:
            place = (x, top - 8 - widths[column] / 2)
            canvas.text(place, label, size=font, anchor="mm", upright=True)
        else:
            canvas.text((x, top - 10), label, size=font, anchor="mm")
    x, span = left + columns * cell + 18, max(rows * cell, 60)
    for step, color in enumerate(_shade(np.linspace(1, 0, 60))):
        y = top + span * step / 60
        canvas.rectangle((x, y, x + 12, y + span / 60), tuple(color))
    canvas.rectangle((x, top, x + 12, top + span), outline=_FRAME)
    canvas.text((x + 18, top + 6), f"{high:.2g}", size=TICK, anchor="lm")
    canvas.text((x + 18, top + span - 6), f"{low:.2g}", size=TICK, anchor="lm")
    return canvas.finish()


def join(images: Sequence[Image.Image], *, vertical: bool = False) -> Image.Image:
    """Join pictures side by side, or below each other."""
    sizes = np.array([image.size for image in images])
    along = 1 if vertical else 0
    size = sizes.max(axis=0)
    size[along] = sizes[:, along].sum()
    whole = Image.new("RGB", (int(size[0]), int(size[1])), "white")
    for image, end in zip(images, sizes[:, along].cumsum(), strict=True):
        start = int(end) - image.size[along]
        whole.paste(image, (0, start) if vertical else (start, 0))
    return whole


def sign(image: Image.Image, imprint: str) -> Image.Image:
    """Add a small line below a picture, at the right."""
    strip = Canvas(image.width, 20)
    strip.text((image.width - 10, 8), imprint, size=11, anchor="rm", color=GREY)
    return join([image, strip.finish()], vertical=True)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers of a range, in steps of 1, 2 or 5 powers of ten."""
    rough = (high - low) / max(count, 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    return [
        n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


class _Frame:
    """Axes: a box on the canvas, and the ranges of x and y in it."""

    def __init__(
        self,
        canvas: Canvas,
        box: tuple[float, float, float, float],
        x_range: _Range,
        y_range: _Range,
    ) -> None:
        self.canvas, self.box, self.x_range, self.y_range = canvas, box, x_range, y_range

    def place(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the canvas coordinates `(..., 2)` of points, clipped to the box."""
        left, top, right, bottom = self.box
        across = (np.asarray(x) - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (np.asarray(y) - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        xs = left + np.clip(across, 0, 1) * (right - left)
        return np.stack([xs, bottom - np.clip(up, 0, 1) * (bottom - top)], axis=-1)

    def shade(self, x: float) -> None:
        left, top, _, bottom = self.box
        edge = float(self.place(x, self.y_range[0])[0])
        if edge > left:
            self.canvas.rectangle((left, top, edge, bottom), _SHADE)

    def grid(self, *, x_labels: bool, num_y: int, num_x: int = 8) -> None:
        left, top, right, bottom = self.box
        for value in ticks(*self.y_range, num_y):
            y = float(self.place(self.x_range[0], value)[1])
            self.canvas.line(np.array([[left, y], [right, y]]), _FAINT, 1)
            self.canvas.text((left - 8, y), f"{value:.4g}", size=TICK, anchor="rm")
        for value in ticks(*self.x_range, num_x):
            x = float(self.place(value, self.y_range[0])[0])
            self.canvas.line(np.array([[x, top], [x, bottom]]), _FAINT, 1)
            if x_labels:
                self.canvas.text((x, bottom + 16), f"{value:.4g}", size=TICK, anchor="mm")
        self.canvas.rectangle(self.box, outline=_FRAME)

    def curve(self, x: ArrayLike, y: ArrayLike, color: str, width: float) -> None:
        points = self.place(x, y)
        gaps = np.flatnonzero(np.isnan(points).any(axis=1))
        for piece in np.split(points, gaps):
            piece = piece[~np.isnan(piece).any(axis=1)]
            if len(piece) > 1:
                self.canvas.line(piece, color, width)

    def dot(self, point: NDArray[np.float64], color: Color, radius: float = 5) -> None:
        if not np.isnan(point).any():
            x, y = self.place(*point)
            self.canvas.dot(float(x), float(y), radius, color)


def _style(number: int, count: int) -> tuple[str, float]:
    """Return the color and width of a curve; the target is grey and broad."""
    if count > 1 and number == 0:
        return TARGET, 4.0
    return COLORS[(number - (count > 1)) % len(COLORS)], 1.8


def _legend(canvas: Canvas, names: list[str], *, right: float, y: float) -> None:
    if len(names) < 2:
        return
    for number in reversed(range(len(names))):
        color, width = _style(number, len(names))
        right -= text_width(names[number], LABEL)
        canvas.text((right, y), names[number], size=LABEL, anchor="lm")
        canvas.line(np.array([[right - 30, y], [right - 8, y]]), color, max(width, 2.5))
        right -= 48


def _limits(curves: list[NDArray[np.float64]]) -> _Range:
    """Return the range of all curves with a margin, at most three times that of the first."""
    first = curves[0][np.isfinite(curves[0])]
    every = np.concatenate([curve[~np.isnan(curve)] for curve in curves])
    if not every.size:
        return -1.0, 1.0
    if first.size and np.ptp(first):
        every = np.clip(every, first.min() - np.ptp(first), first.max() + np.ptp(first))
    finite = every[np.isfinite(every)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (-1.0, 1.0)
    air = 0.08 * (high - low) or 0.5
    return low - air, high + air


def _shade(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the colors `(..., 3)` of numbers from 0 to 1; NaN is grey."""
    stops = np.linspace(0, 1, len(RAMP))
    channels = [np.interp(share, stops, channel) for channel in zip(*RAMP, strict=True)]
    colors = np.stack(channels, axis=-1)
    return np.where(np.isnan(share)[..., None], MISSING, colors).round().astype(np.uint8)
