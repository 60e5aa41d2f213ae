"""`rnnlab-reproduce`: from the list to the report."""

import csv
import json
import re
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rnnlab.cli import reproduce, train
from rnnlab.errors import Interrupted
from rnnlab.plots.files import can_draw
from rnnlab.reproductions.entry import entry_names
from rnnlab.runs.run import Run
from rnnlab.sweeps import vectorized
from tests.reproductions.test_entry import TREE
from tests.small_runs import SMALL

TINY = {
    **TREE,
    "words": " ".join(["task=copy task.length=3 task.delay=1 model=elman", *SMALL]),
    "claims": [
        {
            "what": "accuracy",
            "job": "large",
            "measure": "test/accuracy",
            "must": ">= 0",
            "least": 3,
            "floor": "floor/accuracy",
            "paper": {"value": 0.75, "where": "table 1", "status": "seen"},
        },
        {
            "what": "accuracy of five symbols",
            "job": "large",
            "measure": {
                "_target_": "rnnlab.reproductions.measures.score_at",
                "metric": "accuracy",
                "words": ["task.length=5"],
                "split": "test",
            },
            "must": "0 to 1",
            "least": 3,
            "paper": {"value": 0.25, "where": "table 9", "status": "remembered"},
        },
    ],
}


@pytest.fixture
def call(run_main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(TINY)

    def call(*words: str) -> tuple[int, str, str]:
        return run_main(reproduce.main, "rnnlab-reproduce", *words, "--config-dir", "mine")

    return call


def put(tree, name="tiny"):
    path = Path("mine/reproduce") / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# A large net copies, a small one doesn't.\n{yaml.safe_dump(tree)}")


def impossible():
    return {**TINY, "claims": [{**TINY["claims"][0], "must": "> 2"}]}


def begun(directory: Path) -> dict[str, str]:
    """When training of each run began."""
    cards = sorted(directory.glob("*/[!.]*/run.json"))
    return {str(card): json.loads(card.read_text())["sessions"][-1]["started"] for card in cards}


def test_all_entries_are_listed_with_their_claim(call):
    status, out, _ = call()
    assert status == 0
    lines = out.splitlines()
    for name, summary in entry_names().items():
        assert any(line.startswith(name) and line.endswith(summary) for line in lines)
    assert any(line.split()[:4] == ["tiny", "1", "min", "-"] for line in lines)


def test_a_result_is_trained_measured_and_reported(call):
    status, out, err = call("tiny")
    assert status == 0, err
    assert "3 jobs as one model" in err
    assert "tiny: reproduced, 3 of 3 hold" in out
    assert "0.75 (table 1)" in out
    assert "table 9" not in out
    directory = Path("outputs/reproduce/tiny/quick")
    runs = [Run.load(path.parent) for path in directory.glob("large/[!.]*/run.json")]
    assert sorted(run.config.seed for run in runs) == [100, 101, 102]
    report = (directory / "report.md").read_text()
    assert "A large net copies" in report
    assert "rnnlab-train -m task=copy" in report
    outcome = json.loads((directory / "results.json").read_text())
    of_runs = {run.config.seed: run.results["test"]["accuracy"] for run in runs}
    assert outcome["findings"][0]["values"] == [of_runs[seed] for seed in outcome["seeds"]]
    assert outcome["findings"][0]["floor"] == 0.125
    rows = list(csv.DictReader((directory / "values.csv").read_text().splitlines()))
    assert len(rows) == 9
    assert re.search(r"^tiny .* reproduced  ", call()[1], re.MULTILINE)
    (directory / "results.json").write_text("{}")
    assert re.search(r"^tiny .* damaged  ", call()[1], re.MULTILINE)


@pytest.mark.thorough
def test_tensorboard_shows_the_report_the_figure_and_the_number_of_each_seed(call):
    directory = Path("outputs/reproduce/tiny/smoke")
    for _ in range(2):  # a later call leaves no second set of events
        assert call("tiny", "tier=smoke")[0] == 0
        shown = EventAccumulator(str(directory / "report.events")).Reload()
        (text,) = shown.Tensors("report")[0].tensor_proto.string_val
        assert b"A large net copies" in text
        assert shown.Tags()["images"] == ["figure"] * can_draw()
        outcome = json.loads((directory / "results.json").read_text())
        points = EventAccumulator(str(directory / "report.events" / "large")).Reload()
        found = [(event.step, event.value) for event in points.Scalars("by seed/accuracy")]
        due = zip(outcome["seeds"], outcome["findings"][0]["values"], strict=True)
        assert found == [(seed, pytest.approx(value)) for seed, value in due]
        assert len(list(directory.glob("report.events/**/*tfevents*"))) == 3


def test_the_smoke_tier_learns_nothing_and_says_so(call):
    put(impossible())
    status, out, _ = call("tiny", "tier=smoke")
    assert status == 0
    assert "tiny: smoke" in out
    assert len(begun(Path("outputs/reproduce/tiny/smoke"))) == 4


def test_what_does_not_come_out_is_status_1_and_stands_in_the_table(call):
    put(impossible())
    put(TINY, "good")
    status, out, _ = call("tiny", "good", "tier=full")
    assert status == 1
    assert "tiny: not reproduced, 1 of 2 hold" in out
    overview = [line.split() for line in out.splitlines()[-2:]]
    assert [line[0] for line in overview] == ["tiny", "good"]
    assert [line[-3] for line in overview] == ["1/2", "3/3"]


def test_thresholds_are_set_on_other_seeds_than_confirm_them(call):
    assert call("tiny", "seeds=tuning")[0] == 0
    outcome = json.loads(Path("outputs/reproduce/tiny/quick_tuning/results.json").read_text())
    assert outcome["seeds"] == [0, 1, 2]
    assert not Path("outputs/reproduce/tiny/quick").exists()


def test_it_goes_on_after_a_kill_and_trains_nothing_twice(call, monkeypatch):
    whole = vectorized.train_groups

    def killed_at_the_second_job(jobs, members):
        if any("small" in str(job.sweep) for job in jobs.values()):
            raise Interrupted("terminated", 143)
        return whole(jobs, members)

    monkeypatch.setattr(vectorized, "train_groups", killed_at_the_second_job)
    assert call("tiny")[0] == 143
    directory = Path("outputs/reproduce/tiny/quick")
    first = begun(directory)
    assert len(first) == 3
    monkeypatch.setattr(vectorized, "train_groups", whole)
    status, _, err = call("tiny")
    assert status == 0
    assert "large: 0 of 3 to train" in err
    assert "small: 3 of 3 to train" in err
    later = begun(directory)
    assert len(later) == 6
    assert {path: later[path] for path in first} == first


@pytest.mark.thorough
def test_the_runs_are_those_of_the_printed_command(call, run_main):
    assert call("tiny")[0] == 0
    outcome = json.loads(Path("outputs/reproduce/tiny/quick/results.json").read_text())
    command = outcome["jobs"][0]["command"]
    _, out, _ = run_main(train.main, *command, "dry_run=true")
    here = {
        path.parent.name for path in Path().glob("outputs/reproduce/tiny/quick/large/*/run.json")
    }
    assert {line.split()[1] for line in out.splitlines() if line.startswith("train")} == here


@pytest.mark.thorough
def test_a_run_that_diverges_keeps_no_promise(call):
    exploding = "optimizer=sgd optimizer.lr=1e6 model.cell.activation=relu trainer.clip_norm=null"
    put({**TINY, "words": f"{TINY['words']} {exploding} trainer.max_steps=100"})
    status, out, _ = call("tiny")
    assert status == 1
    assert re.search(r"none +0 of 3", out)


def test_a_dry_run_says_what_is_left_and_does_nothing(call):
    status, out, _ = call("tiny", "dry_run=true")
    assert status == 0
    assert out.splitlines() == [
        "tiny  large: 3 of 3 to train",
        "tiny  small: 3 of 3 to train",
    ]
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["tinny"], "tinny is not in the gallery: did you mean tiny?"),
        (["tiny", "tier=quik"], "tier must be one of smoke, quick or full, got 'quik'"),
        (["tiny", "seeds=3"], "seeds must be one of fresh or tuning, got '3'"),
        (["tiny", "teir=quick"], "teir is not a setting: did you mean tier?"),
        (["all", "tiny"], "all goes alone"),
        (["tiny", "--tier"], "--tier"),
    ],
)
def test_a_mistake_is_named_and_nothing_done(call, words, error):
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert error in err
    assert not Path("outputs").exists()


def test_a_wrong_setting_of_a_job_is_named_before_anything_trains(call):
    put({**TINY, "jobs": {"large": "", "small": "model.cell.hiden_size=1"}})
    status, _, err = call("tiny")
    assert status == 2
    assert "hiden_size" in err
    assert not list(Path("outputs").rglob("run.json"))


@pytest.mark.thorough
@pytest.mark.parametrize("name", entry_names())
def test_every_entry_runs_in_the_smoke_tier(run_main, name, tmp_path):
    words = [name, "tier=smoke", f"output_dir={tmp_path}"]
    status, out, err = run_main(reproduce.main, "rnnlab-reproduce", *words)
    if "pip install 'rnnlab[data]'" in err:
        pytest.skip("the data of a package")
    assert status == 0, err
    assert f"{name}: smoke" in out


@pytest.mark.thorough
def test_an_entry_without_its_data_is_refused_and_left_out_of_all(call, monkeypatch):
    monkeypatch.setattr("rnnlab.tasks.package_data.find_spec", lambda _: None)
    status, out, err = call("tiny", "yule1927_sunspots", "tier=smoke")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "pip install 'rnnlab[data]'" in err
    assert not Path("outputs").exists()
    names = {"tiny": "", "yule1927_sunspots": ""}
    monkeypatch.setattr("rnnlab.commands.reproduce.entry_names", lambda: names)
    status, out, err = call("all", "tier=smoke")
    assert status == 0, err
    assert "tiny: smoke" in out
    assert out.splitlines()[-1].startswith(
        "yule1927_sunspots is left out: task.name=sunspots reads"
    )


def test_an_entry_can_ask_for_a_figure_of_an_analysis(call):
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    figure = {"job": "small", "analysis": "states", "words": [], "picture": "variance"}
    put({**TINY, "drawings": {"spread": figure, "none": {**figure, "picture": "varianz"}}})
    status, _, err = call("tiny", "tier=smoke")
    assert status == 2
    assert "picture=varianz is none of analysis=states: it has hidden, variance" in err
    put({**TINY, "drawings": {"spread": figure}})
    assert call("tiny", "tier=smoke")[0] == 0
    directory = Path("outputs/reproduce/tiny/smoke")
    assert (directory / "figure_spread.png").read_bytes().startswith(b"\x89PNG")
    assert "![tiny](figure_spread.png)" in (directory / "report.md").read_text()
