"""Figures for notebooks; it imports matplotlib, so import it only to draw."""

from matplotlib.figure import Figure

from rnnlab.plots.files import encode


class NotebookFigure(Figure):
    """A figure that a notebook shows, also where pyplot, which would keep it open, is not used."""

    def _repr_png_(self) -> bytes:
        return encode(self, dpi=80)
