"""Sweeps, reports and reproductions from Python."""

import pytest

import rnnlab
from rnnlab.commands.sweep import Sweep
from rnnlab.errors import ConfigError
from tests.small_runs import tiny

ONE_MODEL = {"hydra/launcher": "vectorized"}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    place = tmp_path_factory.mktemp("sweeps")
    lr = {"optimizer.lr": [0.001, 0.01]}
    return rnnlab.sweep(tiny(place), lr, ONE_MODEL, seed=range(2), sweep_name="s")


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are lists, also where pandas is installed."""
    monkeypatch.setattr("rnnlab.runs.frames.find_spec", lambda _: None)


@pytest.mark.usefixtures("rows")
def test_a_sweep_has_its_runs_their_table_and_the_best(sweep):
    assert sweep.path.name == "s"
    assert [(row["optimizer.lr"], row["seed"]) for row in sweep.table] == [
        *((0.001, 0), (0.001, 1), (0.01, 0), (0.01, 1)),
    ]
    assert [run.config.seed for run in sweep.runs] == [0, 1, 0, 1]
    losses = {run.path: run.results["val"]["loss"] for run in sweep.runs}
    assert losses[sweep.best.path] == min(losses.values())
    assert sweep.failures == {}
    assert str(sweep) == "4 jobs: 4 finished"
    page = Sweep(str(sweep.path))._repr_html_()
    assert "4 jobs: 4 finished" in page
    assert page.count("<tr>") == 5


@pytest.mark.usefixtures("rows")
def test_jobs_that_fail_are_told_and_the_others_kept(tmp_path):
    made = rnnlab.sweep(tiny(tmp_path), {"model.cell.hidden_size": [4, -4]}, sweep_name="s")
    assert len(made.runs) == 1
    (failure,) = made.failures.values()
    assert "hidden_size must be 1 or more, got -4" in failure["error"]
    assert [row["failure"] is None for row in made.table] == [False, True]
    assert made.best.path == made.runs[0].path
    assert "refused" in made._repr_html_()


@pytest.mark.thorough
def test_a_sweep_of_which_no_job_comes_to_a_run_raises_each_error_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        rnnlab.sweep(tiny(tmp_path, "model.cell.hidden_size=-4"), seed=[0, 1], sweep_name="s")
    assert str(caught.value).count("hidden_size must be 1 or more, got -4") == 1


def test_a_dry_run_does_nothing(tmp_path, capsys):
    made = rnnlab.sweep(tiny(tmp_path), seed=[0, 1], dry_run=True, sweep_name="s")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["train"] * 2
    assert not made.path.exists()


@pytest.mark.usefixtures("rows")
def test_a_report_has_a_row_for_each_group(sweep):
    report = rnnlab.report(sweep, metric="test/loss", target=9)
    low, high = report.table
    assert (low["optimizer.lr"], low["runs"], low["reached"]) == (0.001, 2, 2)
    assert high["optimizer.lr"] == 0.01
    assert report.path == sweep.path / "report"
    page = (report.path / "report.md").read_text()
    assert "metric='test/loss', target=9)" in page
    assert "loss (test/loss), lower is better" in str(report)
    assert "<pre>loss (test/loss)" in report._repr_html_()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "test/los"}, "metric=test/los is not a score of these runs: did you mean"),
        ({"target": float("nan")}, "target must be a number, got nan"),
        ({"over": ["model"]}, "over=model is not swept here"),
        ({"x": "seed"}, "x=seed is not a number that differs among the runs"),
    ],
)
def test_a_wrong_question_is_refused(sweep, given, said):
    with pytest.raises(ConfigError, match=said):
        rnnlab.report(sweep, **given)


def test_what_is_no_sweep_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="must be a sweep or a directory, got 3"):
        rnnlab.report(3)
    with pytest.raises(ConfigError, match="holds no runs"):
        rnnlab.report(tmp_path)


@pytest.mark.parametrize(
    ("names", "given", "said"),
    [
        ([], {}, "a name is missing: .*hinton_binary_adder.* or all"),
        (["hinton"], {}, "hinton is not in the gallery"),
        (["hinton_binary_adder"], {"tier": "fast"}, "tier must be one of smoke, quick or full"),
        (["hinton_binary_adder"], {"seeds": 3}, "seeds must be one of fresh or tuning, got 3"),
    ],
)
def test_what_is_not_in_the_gallery_is_refused(tmp_path, monkeypatch, names, given, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        rnnlab.reproduce(*names, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
@pytest.mark.usefixtures("rows")
def test_a_result_is_reproduced_with_its_runs(tmp_path):
    lines: list[object] = []
    made = rnnlab.reproduce(
        "hinton_binary_adder", tier="smoke", output_dir=tmp_path, show=lines.append
    )
    found = made.found["hinton_binary_adder"]
    assert made.verdicts == {"hinton_binary_adder": "smoke"}
    assert found.path == tmp_path / "reproduce" / "hinton_binary_adder" / "smoke"
    assert [row["what"] for row in found.table]
    assert all(run is None or run.is_finished for runs in found.runs.values() for run in runs)
    assert str(lines[0]).startswith("\nhinton_binary_adder, ")
    assert "hinton_binary_adder: smoke" in made._repr_html_()
