"""Attention weights over the picture that is the source, an answer a panel."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnnlab.analysis.figures.style import new_figure
from rnnlab.plots.palette import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Overlay(NamedTuple):
    """A picture, and where each answer looks at it.

    Attributes:
        picture: `(N, N)`, 0 for white to 1.
        weights: `(A, N, N)`, 0 to 1.
        answers: A names.
    """

    picture: np.ndarray
    weights: np.ndarray
    answers: Sequence[str]


def draw_over_pictures(overlays: Sequence[Overlay]) -> "Figure":
    """Draw a row for each picture, and in it a panel for each answer."""
    from matplotlib.colors import to_rgb

    columns = max(len(overlay.answers) for overlay in overlays)
    figure = new_figure(13.3, 1.0 + len(overlays) * (0.3 + 13.3 / max(columns, 6)))
    grid = figure.subplots(len(overlays), columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    color = np.array(to_rgb(COLORS[1]))
    for row, overlay in zip(grid, overlays, strict=True):
        paper = (1 - overlay.picture)[..., None] * np.ones(3)  # (N, N, 3)
        for axes, weight, answer in zip(row, overlay.weights, overlay.answers, strict=False):
            share = 0.7 * weight[..., None]
            axes.imshow((1 - share) * paper + share * color, interpolation="nearest")
            axes.set_title(answer, fontsize=11)
    title = "where attention looks at each answer: the darker, the more weight"
    figure.suptitle(f"{title}\n", x=0.01, ha="left", size=12)
    return figure
