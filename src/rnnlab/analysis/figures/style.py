"""Style and layout of the figures; matplotlib is imported only when one is drawn."""

from typing import TYPE_CHECKING, Any

from rnnlab.plots import style
from rnnlab.plots.palette import GREY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = style.STYLE | {"svg.hashsalt": "rnnlab", "image.interpolation": "nearest"}
DIVERGING, SEQUENTIAL, CYCLIC = "RdBu_r", "viridis", "twilight"
"""Colour maps of signed numbers, of amounts and of phases."""

_IMPRINT = 0.22  # inches that it takes


def new_figure(width: float = 11.0, height: float = 6.2) -> "Figure":
    """Return an empty figure of a size in inches, without pyplot, which would keep it open."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def sign(figure: "Figure", imprint: str) -> None:
    """Write a small line at the bottom right of a figure, below everything else in it."""
    if not imprint:
        return
    height = figure.get_figheight()
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, _IMPRINT / height, 1, 1 - _IMPRINT / height))  # type: ignore[call-arg]
    look = {"size": 9, "color": GREY, "ha": "right", "va": "bottom", "gid": "imprint"}
    figure.text(1 - 0.08 / figure.get_figwidth(), 0.05 / height, imprint, **look)


def panels(rows: int, columns: int, *, height: float = 3.4, **options: Any) -> tuple["Figure", Any]:
    """Return a figure with an array of axes `(rows, columns)`."""
    figure = new_figure(13.3 if columns > 1 else 11.0, 1.2 + height * rows)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)
