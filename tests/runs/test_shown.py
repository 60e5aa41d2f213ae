"""What a person goes on with: curve, plot, figures and a page of a notebook."""

import importlib.util
import json
import rlcompleter
import sys
from types import ModuleType

import pytest
from PIL import Image

import rnnlab
from rnnlab.errors import ConfigError
from rnnlab.runs.figures import Figures
from rnnlab.runs.run import Run
from tests.small_runs import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs")))


@pytest.fixture
def without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    hidden = lambda name, *more: None if name == "pandas" else found(name, *more)  # noqa: E731
    monkeypatch.setattr("rnnlab.runs.frames.find_spec", hidden)


@pytest.mark.usefixtures("without_pandas")
def test_without_pandas_the_curve_is_a_list_of_rows(run):
    assert run.curve == run.rows
    assert [row["step"] for row in run.curve] == [1, 2, 3, 4]


def test_with_pandas_the_curve_is_a_frame(run, monkeypatch):
    frames = ModuleType("pandas")
    frames.DataFrame = lambda rows: ("frame", rows)
    monkeypatch.setitem(sys.modules, "pandas", frames)
    monkeypatch.setattr("rnnlab.runs.frames.find_spec", lambda _: True)
    assert run.curve == ("frame", run.rows)


def test_a_frame_of_pandas_holds_the_curve(run):
    pandas = pytest.importorskip("pandas")
    curve = run.curve
    assert isinstance(curve, pandas.DataFrame)
    assert list(curve["step"]) == [1, 2, 3, 4]
    assert curve["val/loss"].notna().tolist() == [False, True, False, True]


def test_completion_offers_what_one_goes_on_with_and_nothing_of_how_it_is_written(run):
    found = rlcompleter.Completer({"run": run}).attr_matches("run.")
    offered = {name.removeprefix("run.").rstrip("()") for name in found}
    assert offered == set(Run.offered)
    assert all(hasattr(run, name) for name in offered)
    assert run.is_finished


def test_a_plot_has_a_line_for_each_split_and_the_floor(run):
    pytest.importorskip("matplotlib")
    loss, accuracy = run.plot().axes
    assert tuple(axes.get_title("left") for axes in (loss, accuracy)) == ("loss", "accuracy")
    lines = {line.get_label(): line for line in loss.get_lines()}
    assert {"training", "validation", "floor"} <= set(lines)
    shown = list(lines["training"].get_ydata())
    assert shown == [row["train/loss"] for row in run.rows]
    assert lines["floor"].get_ydata()[0] == run.results["floor"]["loss"]
    (alone,) = run.plot("exact_match").axes
    assert alone.get_title("left") == "exact match"
    assert run.plot()._repr_png_().startswith(b"\x89PNG")


def test_a_metric_that_was_not_logged_is_named(run):
    pytest.importorskip("matplotlib")
    with pytest.raises(ConfigError, match="acuracy was not logged by this run: did you mean acc"):
        run.plot("acuracy")


def test_without_matplotlib_a_plot_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr("rnnlab.plots.files.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'rnnlab\[report\]'"):
        run.plot()


def test_figures_are_paths_by_name_and_a_notebook_shows_them(run):
    Image.new("RGB", (2, 2)).save(run.figure("small.png"))
    run.figure("<b>.png").write_text("nothing of the kind")
    figures = run.figures
    assert figures["small"] == run.path / "figures" / "small.png"
    page = figures._repr_html_()
    assert "data:image/png;base64,iVBOR" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert Figures({})._repr_html_() == "<i>no figures</i>"
    run.figure("<b>.png").unlink()


def test_a_notebook_shows_model_task_scores_and_curve(run):
    page = run._repr_html_()
    assert "elman on copy, finished" in page
    assert "<td>accuracy</td>" in page
    if importlib.util.find_spec("matplotlib"):
        assert "data:image/png;base64," in page


def test_a_page_of_a_hostile_run_is_escaped(run, tmp_path):
    copied = Run(tmp_path / "copied")
    copied.path.mkdir()
    config = (run.path / "config.yaml").read_text().replace("model: elman", "model: <script>")
    (copied.path / "config.yaml").write_text(config)
    (copied.path / "metrics.csv").write_bytes((run.path / "metrics.csv").read_bytes())
    results = {**run.results, "test": {"<img src=x>": 1.0}}
    (copied.path / "results.json").write_text(json.dumps(results))
    page = copied._repr_html_()
    assert "&lt;script&gt; on copy" in page
    assert "&lt;img src=x&gt;" in page
    assert "<script>" not in page
    assert "<img src=x>" not in page


def test_a_page_of_a_run_that_did_not_get_far_says_so(tmp_path, run):
    (tmp_path / "config.yaml").write_bytes((run.path / "config.yaml").read_bytes())
    page = Run(tmp_path)._repr_html_()
    assert "elman on copy, begun" in page
    assert "results.json is missing" in page
    (tmp_path / "config.yaml").write_text("a: [")
    assert "a damaged run" in Run(tmp_path)._repr_html_()
