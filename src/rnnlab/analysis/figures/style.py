"""Style and layout of the figures; matplotlib is imported only when one is drawn."""

from typing import TYPE_CHECKING, Any

from rnnlab.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = style.STYLE | {"svg.hashsalt": "rnnlab", "image.interpolation": "nearest"}
DIVERGING, SEQUENTIAL, CYCLIC = "RdBu_r", "viridis", "twilight"
"""Colour maps of signed numbers, of amounts and of phases."""


def new_figure(width: float = 11.0, height: float = 6.2) -> "Figure":
    """Return an empty figure of a size in inches, without pyplot, which would keep it open."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def panels(rows: int, columns: int, *, height: float = 3.4, **options: Any) -> tuple["Figure", Any]:
    """Return a figure with an array of axes `(rows, columns)`."""
    figure = new_figure(13.3 if columns > 1 else 11.0, 1.2 + height * rows)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)
