"""Pictures are drawn for every kind of sweep."""

import pytest

pytest.importorskip("matplotlib")

from PIL import Image

from rnnlab.reports import charts
from rnnlab.reports.aggregate import aggregate_runs
from rnnlab.reports.curves import read_curves
from rnnlab.reports.table import read_table
from tests.reports.fabricate import fabricate


def draw(directory, **asked) -> set[str]:
    """Draw the runs of a directory, check each picture, and return their names."""
    asked = {"metric": None, "target": None, "over": ["seed"], "x": None} | asked
    aggregate = aggregate_runs(read_table(directory), **asked)
    drawn = charts.draw(aggregate, [read_curves(g) for g in aggregate.groups], directory)
    for name in drawn:
        with Image.open(directory / name) as picture:
            assert picture.width > 1500
            assert len(picture.convert("P").getcolors()) > 3
    return set(drawn)


def test_lines_over_a_number_with_failures_and_a_target(tmp_path):
    for model in ("elman", "gru"):
        for delay in (5, 20, 80):
            for seed in (0, 1):
                words = {"model": model, "task.delay": delay, "seed": seed}
                if (model, delay) == ("elman", 80):
                    fabricate(tmp_path, words, status="diverged")
                else:
                    fabricate(tmp_path, words, {"loss": delay / 9 + seed}, floor={"loss": 2.0})
    assert draw(tmp_path) == {"metric.png", "curves.png"}
    assert draw(tmp_path, target=1.0) == {"metric.png", "success.png", "curves.png"}


def test_a_heat_map_of_two_numbers_in_panels_of_a_third_setting(tmp_path):
    for model in ("elman", "gru"):
        for rate in (0.001, 0.01, 0.1):
            for size in (8, 16):
                words = {"model": model, "optimizer.lr": rate, "model.cell.hidden_size": size}
                fabricate(tmp_path, words, {"loss": rate * size})
    assert draw(tmp_path) == {"metric.png", "curves.png", "heatmap.png"}


@pytest.mark.parametrize(
    "sweep",
    [
        [{"model": name} for name in ("elman", "gru", "lstm")],
        [{"seed": 0}],
        [{"task.delay": delay} for delay in (0, 10, 1000)],
        [{"model.horizon": horizon} for horizon in (1, 5, None)],
        [{"optimizer.lr": 0.1 + i, "optimizer.weight_decay": 2.0 + i * i} for i in range(6)],
        [{"a.a": a, "b.b": b, "c.c": c} for a in (0, 1) for b in "xyz" for c in range(12)],
        [{"model": f"m{m}", "task.delay": delay} for m in range(13) for delay in (1, 2)],
    ],
    ids=["texts", "nothing", "zero", "unset", "search", "panels", "many"],
)
def test_sweeps_of_every_shape_are_drawn(tmp_path, sweep):
    for i, words in enumerate(sweep):
        fabricate(tmp_path, words, {"loss": 0.1 + i})
    assert {"metric.png", "curves.png"} <= draw(tmp_path)


def test_equal_values_are_drawn_but_not_as_a_heat_map(tmp_path):
    for rate in (0.1, 0.2):
        for size in (8, 16):
            words = {"optimizer.lr": rate, "model.cell.hidden_size": size}
            fabricate(tmp_path, words, {"loss": 1.0})
    assert draw(tmp_path) == {"metric.png", "curves.png"}


def test_runs_that_all_failed_have_no_picture(tmp_path):
    fabricate(tmp_path, {"seed": 0}, status="failed")
    assert draw(tmp_path) == set()


def test_values_of_one_step_are_no_curve(tmp_path):
    fabricate(tmp_path, {"seed": 0}, curve=[{"step": 5, "val/loss": 1.0}])
    assert draw(tmp_path) == {"metric.png"}
