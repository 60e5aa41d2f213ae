"""Ticks of logarithmic axes as plain numbers.

matplotlib writes them as math, which the style does not read: a dollar in a setting is a dollar.
"""

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogFormatterMathtext


class PlainLog(LogFormatter):
    """Labels the ticks that `LogFormatter` labels, as `0.01` and `1e-05`."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Give the label of a tick, or nothing where there is none."""
        return f"{x:g}" if super().__call__(x, pos) else ""


def plain_ticks(figure: Figure) -> None:
    """Put plain numbers at the ticks of all logarithmic axes of a figure, colour bars' too."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
                axis.set_major_formatter(PlainLog(axis.get_transform().base))
            if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
                axis.set_minor_formatter(PlainLog(axis.get_transform().base))
