"""The figure of an entry."""

from typing import Any

import pytest

from rnnlab.reproductions.draw import _balanced, _scale_x, draw
from tests.reproductions.test_entry import TREE, read


def finding(values: list[float | None], quartiles: list[float] | None) -> Any:
    about = {"what": "x", "job": "large", "control": False, "paper_value": None, "floor": None}
    return {**about, "must": "> 0", "values": values, "quartiles": quartiles}


@pytest.mark.parametrize("values", [[None, None], [0.5, None], [0.5, 0.7]])
def test_a_number_is_drawn_of_however_many_seeds_have_one(tmp_path, values):
    pytest.importorskip("matplotlib")
    known = [value for value in values if value is not None]
    found = finding(values, known[:1] * 3 or None)
    outcome: Any = {"findings": [found], "seeds": [0, 1]}
    assert draw(read(tmp_path / "mine.yaml", TREE), outcome).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("numbers", "ticks"),
    [
        ([8.0, 8.0], ["8"]),
        ([1.0, 10.0], ["2", "4", "6", "8", "10"]),
        (
            [1.2e-5, 2.4e-5],
            ["1.2e-05", "1.4e-05", "1.6e-05", "1.8e-05", "2e-05", "2.2e-05", "2.4e-05"],
        ),
        ([0.5, 1.0], ["0.5", "0.6", "0.7", "0.8", "0.9", "1"]),
    ],
)
def test_ticks_are_plain_and_those_of_counts_are_whole(numbers, ticks):
    axes = pytest.importorskip("matplotlib.figure").Figure(figsize=(11, 2)).subplots()
    low, high = _scale_x(axes, numbers)
    assert low < min(numbers) <= max(numbers) < high
    axes.figure.draw_without_rendering()
    within = [tick for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert [tick.label1.get_text() for tick in within] == ticks


def test_a_title_is_broken_into_lines_of_about_one_length():
    assert _balanced("a net learns") == "a net learns"
    lines = _balanced("word " * 19 + "doesn't.").splitlines()
    assert len(lines) == 2
    assert abs(len(lines[0]) - len(lines[1])) < 20
