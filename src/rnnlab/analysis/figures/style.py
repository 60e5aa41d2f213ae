"""Style and layout of the figures; matplotlib is imported only when one is drawn."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rnnlab.plots import style
from rnnlab.plots.palette import GREY, MISSING, RAMP

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

STYLE = style.STYLE | {"svg.hashsalt": "rnnlab", "image.interpolation": "nearest"}
DIVERGING, CYCLIC = "RdBu_r", "twilight"
"""Colour maps of signed numbers and of phases."""

_IMPRINT = 0.22  # inches that it takes


def new_figure(width: float = 11.0, height: float = 6.2) -> "Figure":
    """Return an empty figure of a size in inches, without pyplot, which would keep it open."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def shades(lightest: float = 0.0) -> "Colormap":
    """Return the colour map of amounts, white to deep blue.

    Args:
        lightest: share of the way at which it begins, above 0 for dots on white.
    """
    from matplotlib.colors import LinearSegmentedColormap

    ramp = np.array([*RAMP]) / 255
    whole = LinearSegmentedColormap.from_list("shades", ramp)
    cut = LinearSegmentedColormap.from_list("shades", whole(np.linspace(lightest, 1, 256)))
    return cut.with_extremes(bad=np.array(MISSING) / 255)


def sign(figure: "Figure", imprint: str) -> None:
    """Write a small line at the bottom right of a figure, below everything else in it."""
    if not imprint:
        return
    height = figure.get_figheight()
    engine: Any = figure.get_layout_engine()  # whose settings matplotlib doesn't declare
    if engine is not None:
        room = (0, _IMPRINT / height, 1, 1 - _IMPRINT / height)
        figure.set_layout_engine("constrained", **engine.get() | {"rect": room})
        for legend in figure.legends:  # these stand at the edge of the figure, not of the rectangle
            legend.borderaxespad += 72 * _IMPRINT / legend.prop.get_size()  # of font sizes
    look = {"size": 9, "color": GREY, "ha": "right", "va": "bottom", "gid": "imprint"}
    figure.text(1 - 0.08 / figure.get_figwidth(), 0.05 / height, imprint, **look)


def panels(rows: int, columns: int, *, height: float = 3.4, **options: Any) -> tuple["Figure", Any]:
    """Return a figure with an array of axes `(rows, columns)`."""
    figure = new_figure(13.3 if columns > 1 else 11.0, 1.2 + height * rows)
    figure.set_layout_engine("constrained", wspace=0.05)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)
