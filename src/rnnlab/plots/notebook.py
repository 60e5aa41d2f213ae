"""Figures for notebooks; it imports matplotlib, so import it only to draw."""

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that a notebook shows, also where pyplot, which would keep it open, is not used."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure, dpi: float = 80) -> bytes:
    """Draw a figure as a PNG file.

    Args:
        figure: the figure.
        dpi: pixels an inch.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
