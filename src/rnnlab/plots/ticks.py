"""Tick labels of logarithmic axes as plain numbers.

matplotlib writes them as mathtext, which the style turns off.
"""

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogFormatterMathtext


class PlainLog(LogFormatter):
    """Formatter that labels the ticks of `LogFormatter` as `0.01` and `1e-05`."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick, empty for a minor one."""
        return f"{x:g}" if super().__call__(x, pos) else ""


def plain_ticks(figure: Figure) -> None:
    """Label the ticks of all logarithmic axes and colour bars of a figure with plain numbers."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
                axis.set_major_formatter(PlainLog(axis.get_transform().base))
            if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
                axis.set_minor_formatter(PlainLog(axis.get_transform().base))
