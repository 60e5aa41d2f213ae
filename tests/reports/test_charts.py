"""Pictures are drawn for every kind of sweep."""

import pytest

pytest.importorskip("matplotlib")

import numpy as np
from matplotlib import rc_context
from PIL import Image

from rnnlab.plots.size import style
from rnnlab.reports import charts
from rnnlab.reports.question import Question
from rnnlab.reports.report import make_report
from rnnlab.reports.table import read_table
from tests.reports.fabricate import fabricate

SLIDES = charts.PictureSettings()


def draw(directory, settings=SLIDES, **asked) -> dict[str, str]:
    """Draw the runs of a directory, check each picture, and return names with captions."""
    report = make_report(read_table(directory), Question(**asked))
    drawn = charts.draw(report, directory, settings)
    for name in drawn:
        with Image.open(directory / name) as picture:
            assert picture.width > 700
            assert len(picture.convert("P").getcolors()) > 3
    return drawn


def test_lines_over_a_number_with_failures_and_a_target(tmp_path):
    for model in ("elman", "gru"):
        for delay in (5, 20, 80):
            for seed in (0, 1):
                words = {"model": model, "task.delay": delay, "seed": seed}
                if (model, delay) == ("elman", 80):
                    fabricate(tmp_path, words, status="diverged")
                else:
                    fabricate(tmp_path, words, {"loss": delay / 9 + seed}, floor={"loss": 2.0})
    assert draw(tmp_path).keys() == {"metric.png", "curves.png"}
    assert draw(tmp_path, target=1.0).keys() == {"metric.png", "success.png", "curves.png"}


def test_a_heat_map_of_two_numbers_in_panels_of_a_third_setting(tmp_path):
    for model in ("elman", "gru"):
        for rate in (0.001, 0.01, 0.1):
            for size in (8, 16):
                words = {"model": model, "optimizer.lr": rate, "model.cell.hidden_size": size}
                fabricate(tmp_path, words, {"loss": rate * size})
    assert draw(tmp_path).keys() == {"metric.png", "curves.png", "heatmap.png"}


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
    assert {"metric.png", "curves.png"} <= draw(tmp_path).keys()


def test_equal_values_are_drawn_but_not_as_a_heat_map(tmp_path):
    for rate in (0.1, 0.2):
        for size in (8, 16):
            words = {"optimizer.lr": rate, "model.cell.hidden_size": size}
            fabricate(tmp_path, words, {"loss": 1.0})
    assert draw(tmp_path).keys() == {"metric.png", "curves.png"}


def test_runs_that_all_failed_have_no_picture(tmp_path):
    fabricate(tmp_path, {"seed": 0}, status="failed")
    assert draw(tmp_path) == {}


def test_values_of_one_step_are_no_curve(tmp_path):
    fabricate(tmp_path, {"seed": 0}, curve=[{"step": 5, "val/loss": 1.0}])
    assert draw(tmp_path).keys() == {"metric.png"}


@pytest.fixture
def two_tasks(tmp_path):
    """Runs of two models on two tasks of different scales; returns their directory."""
    for task, scale in (("copy", 1.0), ("addition", 100.0)):
        for model in ("elman", "gru"):
            for seed in (0, 1):
                words = {"task": task, "model": model, "seed": seed}
                fabricate(tmp_path, words, {"loss": scale * (1 + seed)}, floor={"loss": scale})
    return tmp_path


def figures(directory, width=None, **asked):
    """Return the figures of the runs of a directory: stem of the file name -> figure."""
    report = make_report(read_table(directory), Question(**asked))
    with rc_context(style(width)):
        return dict(charts._figures(report, width))


def test_each_task_has_a_panel_with_its_own_scale(two_tasks):
    panels = figures(two_tasks)["metric"].axes
    assert [axes.get_title(loc="left") for axes in panels] == ["addition", "copy"]
    assert [axes.get_yticklabels()[0].get_text() for axes in panels] == ["elman", "elman"]
    assert panels[0].get_xlim()[1] > 100 > panels[1].get_xlim()[1]
    curves = figures(two_tasks)["curves"].axes
    assert curves[0].get_ylim()[0] > curves[1].get_ylim()[1]


def test_tasks_are_panels_beside_a_number_too(tmp_path):
    for task, scale in (("copy", 1.0), ("addition", 100.0)):
        for delay in (1, 2):
            fabricate(tmp_path, {"task": task, "task.delay": delay}, {"loss": scale * delay})
    panels = figures(tmp_path)["metric"].axes
    assert [axes.get_title(loc="left") for axes in panels] == ["addition", "copy"]
    assert panels[0].get_ylim()[0] > panels[1].get_ylim()[1]


@pytest.mark.parametrize("delays", [(1, 2), (5, 10, 1000), range(40)])
def test_equal_means_stand_side_by_side(tmp_path, delays):
    for model in ("elman", "gru", "lstm"):
        for delay in delays:
            for seed in (0, 1):
                words = {"model": model, "task.delay": delay, "seed": seed}
                fabricate(tmp_path, words, {"loss": 1.0})
    (axes,) = (figure := figures(tmp_path)["metric"]).axes
    assert figure.get_label().endswith("dots: runs; side by side at each x")
    figure.draw_without_rendering()
    means = [line for line in axes.get_lines() if line.get_marker() in "osD^vPX*"]
    places = [line.get_transform().transform(line.get_xydata())[:, 0] for line in means]
    assert [line.get_xdata().tolist() for line in means] == [list(delays)] * 3
    left, middle, right = (np.array(each) for each in places)
    assert (left < middle).all()
    assert (middle < right).all()
    assert (right[:-1] < left[1:]).all()
    assert np.allclose(middle, axes.transData.transform([(x, 1) for x in delays])[:, 0])


def test_a_single_line_stands_where_its_values_are(tmp_path):
    for delay in (1, 2):
        fabricate(tmp_path, {"task.delay": delay}, {"loss": 1.0})
    figure = figures(tmp_path)["metric"]
    assert "side by side" not in figure.get_label()


def test_axes_are_named_in_words(two_tasks):
    drawn = figures(two_tasks, metrics=["loss"])
    assert drawn["metric"].get_supxlabel() == "loss (lower is better)"
    assert drawn["curves"].get_supylabel() == "validation loss"


def test_a_picture_for_a_page_has_its_width_and_its_title_as_caption(two_tasks):
    settings = charts.PictureSettings(formats=("png", "pdf", "svg"), width=3.3)
    drawn = draw(two_tasks, settings)
    assert drawn["metric.png"] == "mean of 2 runs each; line: 95 % interval (bootstrap); dots: runs"
    with Image.open(two_tasks / "metric.png") as picture:
        assert picture.width == 990  # at 300 dots an inch
    assert b"/MediaBox [ 0 0 237.6 " in (two_tasks / "metric.pdf").read_bytes()
    assert 'width="237.6pt"' in (two_tasks / "metric.svg").read_text(encoding="utf-8")
    assert set(draw(two_tasks).values()) == {""}


def test_pictures_are_the_same_bytes_each_time(two_tasks):
    settings = charts.PictureSettings(formats=("pdf", "svg"))
    written = []
    for _ in range(2):
        draw_only = charts.draw(make_report(read_table(two_tasks), Question()), two_tasks, settings)
        assert draw_only.keys() == {"metric.svg", "curves.svg"}
        written.append([(two_tasks / f"metric.{form}").read_bytes() for form in ("pdf", "svg")])
    assert written[0] == written[1]


def test_each_metric_has_its_pictures_and_curves_are_drawn_once(two_tasks):
    drawn = draw(two_tasks, metrics=["loss", "seconds"])
    assert drawn.keys() == {"metric.png", "curves.png", "metric_seconds.png"}
