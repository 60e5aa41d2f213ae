"""`rnnlab-report`: tables, pictures and TensorBoard files of a directory of runs."""

import csv
import subprocess
import sys

import pytest

import rnnlab
from rnnlab.cli.report import main
from rnnlab.plots import files
from tests.calls import listing, refusal
from tests.reports.fabricate import fabricate, fail
from tests.small_runs import tiny

RATES = (0.001, 0.01, 0.1)
WRITTEN = {"report.md", "table.csv", "runs.csv", "table.tex", "curves", "hparams"}


@pytest.fixture
def sweep(tmp_path):
    """Give a sweep of two models, three rates and three seeds, with two failures."""
    for model in ("elman", "gru"):
        for rate in RATES:
            for seed in range(3):
                words = {"task": "copy", "model": model, "optimizer.lr": rate, "seed": seed}
                loss = rate * (2 if model == "elman" else 1) + seed / 1000
                if (model, rate, seed) == ("gru", 0.1, 2):
                    fabricate(tmp_path / "s", words, status="diverged", reason="the loss is nan")
                else:
                    scores = {"loss": loss, "accuracy": 1 - loss}
                    fabricate(tmp_path / "s", words, scores, floor={"loss": 2.0})
    words = "task=copy model=gru optimizer.lr=10 seed=0"
    fail(tmp_path / "s", "0123", words, "refused", "optimizer.lr must be less than 1, got 10")
    return tmp_path / "s"


def read(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_everything_is_written_and_printed(run_main, sweep):
    status, out, err = run_main(main, "rnnlab-report", str(sweep), "target=0.011")
    assert (status, err) == (0, "")
    assert out.startswith("loss (test/loss), lower is better, 19 runs, 2 failed, target 0.011, ")
    assert "  model=gru lr=0.1 seed=2  diverged: the loss is nan\n" in out
    assert "  model=gru lr=10 seed=0  refused: optimizer.lr must be less than 1, got 10\n" in out
    assert max(map(len, out.split("written to")[0].splitlines())) <= 100
    names = {path.name for path in (sweep / "report").iterdir()}
    pictures = {"metric.png", "success.png", "curves.png"} if files.can_draw() else set()
    assert names == WRITTEN | pictures


@pytest.mark.parametrize("name", ["", "curves", "curves/x", "hparams", "report.md", "metric.png"])
def test_a_report_follows_no_link(sweep, tmp_path, name):
    victim = tmp_path / "victim"
    (victim / "curves/group/mean").mkdir(parents=True)
    for inner in (
        "report.md",
        "table.csv",
        "curves/mine",
        "curves/group/mean/events.out.tfevents.1",
    ):
        (victim / inner).write_text("mine")
    link = sweep / "report" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(victim / "report.md" if "." in name else victim)
    before = listing(tmp_path)
    assert "is a link" in refusal(main, "rnnlab-report", str(sweep))
    assert listing(tmp_path) == before


def test_a_report_removes_nothing_that_it_did_not_write(run_main, sweep):
    run_main(main, "rnnlab-report", str(sweep))
    written = set(listing(sweep / "report"))
    mine = {"curves/mine.txt": "a", "notes.md": "b", "hparams/mine/thesis.tex": "c", "x.part": "d"}
    for name, text in mine.items():
        (sweep / "report" / name).parent.mkdir(exist_ok=True)
        (sweep / "report" / name).write_text(text)
    (sweep / "report/curves/gone/mean").mkdir(parents=True)
    (sweep / "report/curves/gone/mean/events.out.tfevents.1").touch()
    run_main(main, "rnnlab-report", str(sweep))
    now = listing(sweep / "report")
    assert {name: now[name].decode() for name in mine} == mine
    assert not (sweep / "report/curves/gone").exists()
    assert len([name for name in now if "tfevents" in name]) == len(
        [name for name in written if "tfevents" in name]
    )


def test_the_table_has_a_row_a_group_with_all_digits(run_main, sweep):
    run_main(main, "rnnlab-report", str(sweep), "target=0.011")
    rows = {(row["model"], row["optimizer.lr"]): row for row in read(sweep / "report/table.csv")}
    assert len(rows) == 7
    row = rows["gru", "0.01"]
    assert float(row["mean"]) == pytest.approx(0.011)
    assert float(row["mean_low"]) == pytest.approx(0.01)
    assert (row["runs"], row["failures"], row["reached"]) == ("3", "0", "2")
    worse = rows["elman", "0.01"]
    assert worse["best"] == "model=gru lr=0.01"
    assert float(worse["difference"]) == pytest.approx(0.01)
    assert (worse["better"], worse["worse"], worse["sign_p"]) == ("0", "3", "0.25")
    assert (worse["permutation_p"], float(worse["sd"])) == ("0.25", pytest.approx(0.001))
    assert (worse["floor"], worse["mean_parameters"], worse["mean_seconds"]) == (
        "2.0",
        "97.0",
        "2.5",
    )
    assert rows["gru", "10"]["mean"] == ""


def test_models_by_rates_in_two_metrics(run_main, sweep):
    words = ["metric=accuracy,loss", "rows=model", "compare=model", "interval=t", "format=svg"]
    status, out, err = run_main(main, "rnnlab-report", str(sweep), *words, "width=3.3")
    assert (status, err) == (0, "")
    first, second = out.split("loss (test/loss), lower is better")
    assert first.startswith("accuracy (test/accuracy), higher is better, 19 runs")
    table = [" ".join(line.split()) for line in second.splitlines()]
    assert table[2] == "model lr 0.001 lr 0.01 lr 0.1 lr 10"
    assert table[4].startswith("gru 0.0020 \N{PLUS-MINUS SIGN} 0.0010 * 0.0110")
    left_out = "1 left out: no run of another model has the same lr"
    assert f"18 of 19 runs are paired\n{left_out}\n" in first
    names = {path.name for path in (sweep / "report").iterdir()}
    assert WRITTEN | {"pivot.tex", "pivot_test_loss.tex"} <= names
    page = (sweep / "report/report.md").read_text(encoding="utf-8")
    assert "`95 %` beside the mean: Student's t interval" in page
    if files.can_draw():
        assert {"metric.svg", "metric_test_loss.svg", "curves.svg"} <= names
        assert "![metric](metric.svg)\n\n*mean of 2 to 3 runs each; band: 95 %" in page
    assert len(read(sweep / "report/table.csv")) == 14
    run_main(main, "rnnlab-report", str(sweep))  # removes the files of the further metric
    assert not list((sweep / "report").glob("*_test_loss.*"))


def test_the_runs_have_a_row_each_with_all_scores(run_main, sweep):
    run_main(main, "rnnlab-report", str(sweep))
    rows = read(sweep / "report/runs.csv")
    assert len(rows) == 19
    assert sorted(row["failure"] for row in rows if row["failure"]) == [
        "diverged: the loss is nan",
        "refused: optimizer.lr must be less than 1, got 10",
    ]
    assert all(row["test/accuracy"] for row in rows if not row["failure"])


def test_the_page_shows_every_picture_and_says_what_all_runs_share(run_main, sweep):
    run_main(main, "rnnlab-report", str(sweep))
    page = (sweep / "report/report.md").read_text(encoding="utf-8")
    assert page.startswith("# s\n")
    assert "All runs have `task=copy`." in page
    shown = {path.name for path in (sweep / "report").glob("*.png") if f"]({path.name})" in page}
    assert shown == {path.name for path in (sweep / "report").glob("*.png")}


def test_a_report_replaces_an_earlier_one_and_leaves_other_files(run_main, sweep):
    run_main(main, "rnnlab-report", str(sweep), "target=0.1")
    (sweep / "report" / "mine.txt").touch()
    before = {str(path.parent) for path in sweep.rglob("events*")}
    run_main(main, "rnnlab-report", str(sweep))
    assert {str(path.parent) for path in sweep.rglob("events*")} == before
    assert len(list(sweep.rglob("events*"))) == len(before)
    assert not (sweep / "report" / "success.png").exists()
    assert (sweep / "report" / "mine.txt").exists()


def test_without_matplotlib_all_else_is_written(run_main, sweep, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    status, out, _ = run_main(main, "rnnlab-report", str(sweep))
    assert status == 0
    assert "no pictures       they need matplotlib: pip install 'rnnlab[report]'\n" in out
    names = {path.name for path in (sweep / "report").iterdir()}
    assert names == WRITTEN


def test_true_runs_are_reported(run_main, tmp_path, capsys):
    for seed in (0, 1):
        for delay in (1, 2):
            rnnlab.train(tiny(tmp_path, f"seed={seed}", f"task.delay={delay}"))
    capsys.readouterr()
    status, out, err = run_main(main, "rnnlab-report", str(tmp_path), "metric=test/accuracy")
    assert (status, err) == (0, "")
    heading, *rows = [line.split() for line in out.splitlines()[2:5]]
    assert heading[:4] == ["delay", "n", "mean", "sd"]
    assert [row[:2] for row in rows] == [["1", "2"], ["2", "2"]]
    assert (tmp_path / "report/curves/delay=2/mean").is_dir()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "it takes one directory with runs in it, got 0"),
        (["nowhere"], "nowhere must be a directory with runs in it: there is none"),
        (["."], ". holds no runs: no directory below it has a config.yaml"),
        (
            ["s", "metric=test/lss"],
            "metric=test/lss is not a score of these runs: did you mean t",
        ),
        (["s", "target=high"], "target must be a number, got 'high'"),
        (["s", "target=nan"], "target must be a number, got 'nan'"),
        (["s", "interval=normal"], "interval must be one of bootstrap, t, got 'normal'"),
        (["s", "format=png,jpg"], "format must be one of png, pdf, svg, got 'png,jpg'"),
        (["s", "width=0"], "width must be 1 to 20 inches, got '0'"),
        (["s", "width=wide"], "width must be 1 to 20 inches, got 'wide'"),
        (["s", "metric="], "metric must have a value, got nothing"),
        (["s", "metric=loss,acuracy"], "metric=acuracy is not a score of these runs"),
        (["s", "rows=modl"], "rows=modl is not swept here: did you mean model"),
        (["s", "rows=model", "columns=model"], "rows and columns both have model"),
        (["s", "compare=modl"], "compare=modl is not swept here: did you mean model"),
        (["s", "metrc=test/loss"], "metrc is not a setting: did you mean metric?"),
        (
            ["s", "x=lr"],
            "x=lr is not a number that differs among the runs: did you mean optimizer.lr",
        ),
    ],
)
def test_a_mistake_is_status_2_in_one_line_with_nothing_written(
    run_main, sweep, tmp_path, monkeypatch, words, said
):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty if words == ["."] else sweep.parent)
    status, out, err = run_main(main, "rnnlab-report", *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"rnnlab-report: {said}")
    assert len(err.splitlines()) == 1
    assert not (sweep / "report").exists()


def test_a_report_that_can_not_be_written_is_status_2(run_main, sweep):
    (sweep / "report").touch()
    status, out, err = run_main(main, "rnnlab-report", str(sweep))
    assert (status, out) == (2, "")
    assert err == f"rnnlab-report: {sweep}/report can't be written to: File exists\n"


def test_help_says_how(run_main):
    status, out, _ = run_main(main, "rnnlab-report", "--help")
    assert status == 0
    assert out.startswith("rnnlab-report: ")


def test_a_mistake_is_found_without_torch(tmp_path):
    code = (
        "import sys; from rnnlab.cli.report import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'lightning', 'matplotlib'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
