"""Logarithmic axes are labelled with numbers, whatever the style reads as math."""

import pytest

pytest.importorskip("matplotlib")

from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from rnnlab.plots.style import STYLE
from rnnlab.plots.ticks import plain_ticks


def labels(axis) -> list[str]:
    axis.figure.draw_without_rendering()
    low, high = axis.get_view_interval()
    every = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    within = [tick for tick in every if low <= tick.get_loc() <= high]
    return [tick.label1.get_text() for tick in within if tick.label1.get_text()]


def test_a_logarithmic_axis_has_plain_numbers():
    with rc_context(STYLE):
        figure = Figure(figsize=(12, 4))
        wide, narrow, binary = figure.subplots(1, 3)
        wide.set(xscale="log", xlim=(9e-6, 30))
        narrow.set(yscale="log", ylim=(2, 6))
        binary.set_xscale("log", base=2)
        binary.set_xlim(1, 8)
        plain_ticks(figure)
        assert labels(wide.xaxis) == ["1e-05", "0.001", "0.1", "10"]
        assert labels(narrow.yaxis) == ["2", "3", "4", "6"]
        assert labels(binary.xaxis) == ["1", "2", "4", "8"]


def test_so_has_the_bar_of_logarithmic_colours():
    with rc_context(STYLE):
        figure = Figure()
        axes = figure.subplots()
        image = axes.pcolormesh([[0.001, 0.1], [1.0, 10.0]], norm=LogNorm(0.001, 10))
        bar = figure.colorbar(image, ax=axes)
        plain_ticks(figure)
        assert labels(bar.ax.yaxis) == ["0.001", "0.01", "0.1", "1", "10"]


def test_an_axis_with_labels_of_its_own_keeps_them():
    figure = Figure()
    axes = figure.subplots()
    axes.set(xscale="log", xlim=(1, 100))
    axes.set_xticks([1, 30], ["one", "$30"])
    axes.minorticks_off()
    plain_ticks(figure)
    assert labels(axes.xaxis) == ["one", "$30"]
