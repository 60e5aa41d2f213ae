"""How figures look: as on a slide. matplotlib alone is needed, and imported when one is drawn."""

from typing import TYPE_CHECKING, Any

from rnnlab.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = style.STYLE | {"svg.hashsalt": "rnnlab", "image.interpolation": "nearest"}
DIVERGING, SEQUENTIAL, CYCLIC = "RdBu_r", "viridis", "twilight"
"""Colour maps: of signed numbers, of amounts, of phases."""


def figure(width: float = 11.0, height: float = 6.2) -> "Figure":
    """Give an empty slide, in inches, outside pyplot's list of open ones."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def panels(rows: int, columns: int, *, height: float = 3.4, **options: Any) -> tuple["Figure", Any]:
    """Give a slide of panels, and its axes as an array `(rows, columns)`."""
    slide = figure(13.3 if columns > 1 else 11.0, 1.2 + height * rows)
    return slide, slide.subplots(rows, columns, squeeze=False, **options)
