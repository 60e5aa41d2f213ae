"""Sizes of figures: as large as a slide, or as wide as a column of a page.

Figures are laid out in points and inches of a slide. `points` and `inches` turn these into those of
the figure that is being drawn.
"""

from typing import Any

from rnnlab.plots.style import STYLE

_SLIDE_FONT, _PAGE_FONT = 15.0, 8.0  # points
_DOTS = 300  # an inch of a page
_SCALED = (
    *("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize"),
    *("lines.linewidth", "lines.markersize", "grid.linewidth"),
)
_MATPLOTLIB = {  # its own sizes, in points
    **{"axes.linewidth": 0.8, "axes.labelpad": 4.0, "axes.titlepad": 6.0},
    **{"xtick.major.size": 3.5, "xtick.major.width": 0.8, "xtick.major.pad": 3.5},
    **{"ytick.major.size": 3.5, "ytick.major.width": 0.8, "ytick.major.pad": 3.5},
}


def style(width: float | None) -> dict[str, Any]:
    """Return the style of figures for a slide, or with smaller type for a page.

    Args:
        width: width of the figure in inches, or `None` for a slide.
    """
    if width is None:
        return STYLE
    scale = _PAGE_FONT / _SLIDE_FONT
    sizes: dict[str, Any] = _MATPLOTLIB | {key: STYLE[key] for key in _SCALED}
    scaled = {key: size * scale for key, size in sizes.items()}
    # TrueType, for publishers refuse the fonts of type 3 that are matplotlib's default.
    return STYLE | scaled | {"savefig.dpi": _DOTS, "pdf.fonttype": 42}


def points(size: float) -> float:
    """Return the size in points of what has a size on a slide."""
    from matplotlib import rcParams

    return size * float(rcParams["font.size"]) / _SLIDE_FONT


def inches(size: float) -> float:
    """Return the length in inches of what has a length on a slide."""
    return points(size)
