"""`rnnlab-train -m`: no job is done twice, none is lost, and one that fails stops no other."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from rnnlab.cli.train import main
from rnnlab.config.sources import ConfigSource, using_source
from rnnlab.errors import ConfigError
from rnnlab.runs.run import Run
from rnnlab.sweeps import jobs, progress
from rnnlab.training.module import SequenceModule
from tests.dear import dear_but
from tests.same import differing
from tests.small_runs import tiny

EXPLODING = ["optimizer=sgd", "trainer.clip_norm=null", "model.cell.activation=relu"]


def runs(out: Path) -> dict[str, Run]:
    return {path.name: Run.load(path) for path in sorted(out.glob("sweeps/s/[!.]*")) if card(path)}


def card(path: Path) -> bool:
    return (path / "run.json").is_file()


def snapshot(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name != "multirun.yaml"
    }


def test_every_combination_is_an_ordinary_run_named_by_its_config(sweep, tmp_path):
    status, out, _ = sweep("model=elman,gru", "seed=0,1")
    assert status == 0
    made = runs(tmp_path)
    assert {(run.results["model"], run.config.seed) for run in made.values()} == {
        (model, seed) for model in ("elman", "gru") for seed in (0, 1)
    }
    assert all(run.card["overrides"]["seed"] == str(run.config.seed) for run in made.values())
    assert all(key not in run.config for run in made.values() for key in ("dry_run", "sweep_name"))
    assert out.splitlines()[-2:] == ["4 jobs: 4 finished", str(tmp_path / "sweeps/s")]


def test_what_is_done_is_not_done_again_and_a_larger_sweep_does_the_rest(sweep, tmp_path):
    sweep("seed=0,1")
    before = snapshot(tmp_path)
    status, _, err = sweep("seed=0,1")
    assert status == 0
    assert snapshot(tmp_path) == before
    assert err.count(": done before") == 2
    sweep("seed=0,1,2")
    after = snapshot(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(runs(tmp_path)) == 3


def test_runs_are_named_by_what_varies_and_a_hash(sweep, tmp_path):
    sweep("task.delay=1", "optimizer.lr=0.1", "model=elman,gru", "seed=3")
    names = list(runs(tmp_path))
    assert [name.rsplit("-", 1)[0] for name in names] == ["model=elman", "model=gru"]
    assert all(re.fullmatch("[0-9a-f]{8}", name.rsplit("-", 1)[1]) for name in names)


@pytest.mark.thorough
def test_a_run_that_was_named_otherwise_is_not_trained_again(sweep, tmp_path):
    sweep("model=elman", "seed=0,1")
    one, other = runs(tmp_path).values()
    words = {"model": "elman", "seed": "1"}
    other.path.rename(other.path.with_name(digest := jobs.Job(tmp_path, other.config, words).name))
    assert re.fullmatch("[0-9a-f]{12}", digest)  # as all jobs were once named
    status, _, err = sweep("model=elman,gru", "seed=0,1")
    assert status == 0
    assert err.count(": done before") == 2
    names = set(runs(tmp_path)) - {one.path.name, digest}
    labels = {name.rsplit("-", 1)[0] for name in names}
    assert labels == {"model=gru,seed=0", "model=gru,seed=1"}


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ({}, ""),
        ({"optimizer.lr": "0.00123456", "+model.cell.taps": "3"}, "lr=0.001235,taps=3"),
        ({"task.size": "1", "model.size": "2"}, "task.size=1,model.size=2"),
        (
            {"task.path": "../my files/a b.txt", "seed": "1e-05"},
            "path=.._my_files_a_b.txt,seed=1e-05",
        ),
        ({"a": "x" * 70, "b": "y" * 70, "c": "1"}, f"a={'x' * 70}"),
        ({"a": "x" * 90}, ""),
    ],
)
def test_labels_are_short_and_hold_what_file_names_may(overrides, label):
    assert jobs.job_label(overrides) == label


@pytest.mark.thorough
def test_the_directory_of_a_sweep_is_no_part_of_a_jobs_name(sweep, tmp_path):
    sweep("seed=0,1", out=tmp_path / "a")
    sweep("seed=1,0", out=tmp_path / "b")
    assert list(runs(tmp_path / "a")) == list(runs(tmp_path / "b"))


@pytest.mark.thorough
def test_a_job_that_was_interrupted_resumes_and_ends_as_if_it_had_not_been(
    sweep, tmp_path, monkeypatch
):
    sweep("seed=0,1", out=tmp_path / "whole")
    step, wanted = SequenceModule.training_step, [3]

    def stopped(module, batch, index):
        if module.global_step in wanted:
            wanted.remove(module.global_step)
            signal.raise_signal(signal.SIGINT)
        return step(module, batch, index)

    monkeypatch.setattr(SequenceModule, "training_step", stopped)
    status, _, err = sweep("seed=0,1", out=tmp_path / "parts")
    assert status == 130
    assert "interrupted, saved at update 4" in err
    assert [run.card["status"] for run in runs(tmp_path / "parts").values()] == ["interrupted"]
    assert sweep("seed=0,1", out=tmp_path / "parts")[0] == 0
    whole, parts = runs(tmp_path / "whole"), runs(tmp_path / "parts")
    assert list(whole) == list(parts)
    assert [differing(whole[name], parts[name]) for name in whole] == [[], []]


def test_a_failure_stops_no_other_job_and_stands_in_a_table_at_the_end(sweep, tmp_path):
    status, out, _ = sweep(*EXPLODING, "optimizer.lr=1e6,0.1", "model.cell.hidden_size=4,0")
    assert status == 3
    assert sorted(run.card["status"] for run in runs(tmp_path).values()) == ["diverged", "finished"]
    counts, _, heading, *table, last = out.splitlines()
    assert sorted(counts.removeprefix("4 jobs: ").split(", ")) == [
        "1 diverged",
        "1 finished",
        "2 refused",
    ]
    assert heading == "failures"
    assert last == str(tmp_path / "sweeps/s")
    assert len(table) == 3
    refused = [line for line in table if " refused " in line]
    assert all("model.cell.hidden_size must be 1 or more, got 0" in line for line in refused)
    (diverged,) = (line for line in table if " diverged " in line)
    assert diverged.startswith("  hidden_size=4,lr=1000000.0-")
    assert "is inf at update" in diverged


@pytest.mark.thorough
def test_a_corrected_failure_is_forgotten_and_one_that_stays_is_reported_again(sweep, tmp_path):
    sweep("model.cell.hidden_size=4,0")
    assert sweep("model.cell.hidden_size=4,5")[0] == 0
    sweep(*EXPLODING, "optimizer.lr=1e6,0.1")
    before = [run.card["ended"] for run in runs(tmp_path).values()]
    status, out, _ = sweep(*EXPLODING, "optimizer.lr=1e6,0.1")
    assert status == 3
    assert "is inf at update" in out
    assert [run.card["ended"] for run in runs(tmp_path).values()] == before


LAUNCHERS = [
    ["hydra/launcher=basic"],
    ["hydra/launcher=vectorized"],
    ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"],
]


@pytest.fixture
def swept(sweep, tmp_path) -> Path:
    """A sweep of one job that was finished."""
    sweep("seed=1")
    (run,) = runs(tmp_path).values()
    return run.path


@pytest.mark.thorough
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "run.json is damaged: "),
        ('{"status": ["finished"]}', "run.json is damaged: status must be string"),
        ('{"status": "finished", "overrides": [1]}', "overrides must be dictionary"),
        (None, "run.json is neither a file nor a directory"),
    ],
)
def test_a_damaged_run_card_stops_no_other_job(sweep, swept, launcher, content, why):
    (swept / "run.json").unlink()
    if content is None:
        os.mkfifo(swept / "run.json")
    else:
        (swept / "run.json").write_text(content)
    status, out, _ = sweep("seed=0,1,2", *launcher)
    assert status == 2
    counts, _, heading, failure, _ = out.splitlines()
    assert sorted(counts.removeprefix("3 jobs: ").split(", ")) == ["1 damaged", "2 finished"]
    assert heading == "failures"
    assert failure.split()[:2] == [swept.name, "refused"]
    assert why in failure


@pytest.mark.thorough
def test_a_job_whose_config_is_gone_is_a_failure(sweep, swept):
    (swept / "config.yaml").unlink()
    status, out, _ = sweep("seed=0,1")
    assert status == 2
    assert "must be the directory of a run, with a config.yaml in it" in out
    assert "1 refused" in out


@pytest.mark.thorough
def test_a_job_that_leads_out_of_the_sweep_is_not_gone_on_with(sweep, swept, tmp_path):
    moved = swept.rename(tmp_path / "moved")
    swept.symlink_to(moved)
    assert sweep("seed=0,1")[0] == 0
    before = (moved / "run.json").read_text()
    (moved / "run.json").write_text(before.replace("finished", "interrupted"))
    status, out, _ = sweep("seed=0,1")
    assert status == 2
    assert "leads out of its directory" in out
    assert (moved / "run.json").read_text() == before.replace("finished", "interrupted")


@pytest.mark.thorough
@pytest.mark.parametrize(
    "words",
    [
        ["nosuch=1"],
        ["on_error=maybe"],
        ["hydra/launcher=vectorized", "hydra.launcher.members=0"],
        ["hydra/launcher=joblib", "trainer=ddp", "trainer.devices=2"],
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=0"],
    ],
)
def test_a_sweep_that_is_refused_forgets_no_failure(sweep, tmp_path, words):
    sweep("model.cell.hidden_size=0")
    before = snapshot(tmp_path)
    assert any("failures" in name for name in before)
    assert sweep("seed=0,1", *words)[0] == 2
    assert snapshot(tmp_path) == before


@pytest.mark.thorough
@pytest.mark.parametrize(
    "words",
    [
        ["nosuch=1"],
        ["on_error=maybe"],
        ["model=lstm,elman", "model.cell.forget_bias=1"],
        ["hydra/launcher=vectorized", "hydra.launcher.members=0"],
        ["hydra/launcher=joblib", "trainer=ddp", "trainer.devices=2"],
    ],
)
def test_a_sweep_that_is_refused_as_a_whole_leaves_nothing(sweep, tmp_path, words):
    assert sweep("seed=0,1", *words, out=tmp_path / "a/b")[0] == 2
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "sweeps/s").mkdir(parents=True)
    (tmp_path / "sweeps/s/multirun.yaml").write_text("mine")
    assert sweep("seed=0,1", *words)[0] == 2
    assert (tmp_path / "sweeps/s/multirun.yaml").read_text() == "mine"
    assert [path.name for path in tmp_path.rglob("*")] == ["sweeps", "s", "multirun.yaml"]


@pytest.mark.thorough
def test_a_sweep_whose_jobs_are_all_refused_leaves_their_failures_alone(sweep, tmp_path):
    assert sweep("seed=0,1", "model.cell.hidden_size=0")[0] == 2
    assert [path.name for path in (tmp_path / "sweeps/s").iterdir()] == ["failures"]
    assert sweep("seed=0", "model.cell.hidden_size=0,4")[0] == 2
    assert (tmp_path / "sweeps/s/multirun.yaml").is_file()  # one has a run


@pytest.mark.thorough
def test_a_dry_run_of_a_sweep_that_has_begun_only_tells_what_would_be_done(sweep, tmp_path):
    sweep("seed=0", "model.cell.hidden_size=0,4")
    before = snapshot(tmp_path)
    status, out, _ = sweep("seed=0", "model.cell.hidden_size=0,4,5", "dry_run=true")
    assert snapshot(tmp_path) == before
    lines = out.splitlines()
    assert status == 0
    assert [line.split()[0] for line in lines] == ["train", "skip", "train", lines[-1]]
    assert lines[-1] == str(tmp_path / "sweeps/s")


@pytest.mark.thorough
def test_what_no_sweep_wrote_stays_among_the_failures(sweep, tmp_path):
    sweep("model.cell.hidden_size=0")
    failures = tmp_path / "sweeps/s/failures"
    (failures / "notes.json").write_text("mine")
    (failures / "old").mkdir()
    (failures / "0123456789ab.json").write_text("{")
    os.mkfifo(failures / "ba9876543210.json")
    assert sweep("seed=0")[0] == 0
    assert sorted(path.name for path in failures.iterdir()) == ["notes.json", "old"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["failures", "multirun.yaml", "best.yaml", "study.journal"])
def test_a_sweep_writes_nothing_through_a_link(sweep, tmp_path, name):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/0123456789ab.json").write_text("mine")
    (tmp_path / "sweeps/s").mkdir(parents=True)
    target = tmp_path / "mine" if name == "failures" else tmp_path / "mine/0123456789ab.json"
    (tmp_path / "sweeps/s" / name).symlink_to(target)
    before = snapshot(tmp_path)
    status, _, err = sweep("seed=0,1")
    assert status == 2
    assert f"{name} leads out of its directory" in err
    assert snapshot(tmp_path) == before


def test_damaged_failures_end_no_overview(tmp_path):
    jobs.write_failure(tmp_path, "0" * 12, {"overrides": {}, "status": "refused", "error": "wrong"})
    (tmp_path / "failures" / f"{'1' * 12}.json").write_text('{"overrides": [1]}')
    os.mkfifo(tmp_path / "failures" / f"{'2' * 12}.json")
    (tmp_path / "failures" / f"{'3' * 12}.json").symlink_to("/dev/zero")
    counts, _, _, *table = jobs.overview(tmp_path)
    assert counts == "4 jobs: 3 failed, 1 refused"
    assert len(table) == 4


def test_a_failure_that_another_start_forgets_meanwhile_is_none(tmp_path, monkeypatch):
    jobs.write_failure(tmp_path, "0" * 12, {"overrides": {}, "status": "failed", "error": "x"})
    read = jobs.read_json

    def forgotten(path: Path, *given: Any) -> Any:
        path.unlink()
        return read(path, *given)

    monkeypatch.setattr(jobs, "read_json", forgotten)
    assert jobs.read_failures(tmp_path) == {}
    jobs.remove_failures(tmp_path)


def test_a_failure_is_written_nowhere_else(tmp_path):
    with pytest.raises(ConfigError, match="not the name of a job"):
        jobs.write_failure(tmp_path, "../../x", {"overrides": {}, "status": "failed", "error": "x"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_a_sweep_may_stop_at_the_first_failure(sweep, tmp_path):
    status, _, err = sweep("model.cell.hidden_size=4,0,5", "on_error=stop")
    assert status == 2
    assert [run.config.model.cell.hidden_size for run in runs(tmp_path).values()] == [4]
    assert "left out, for another failed" in err


def test_a_bug_in_one_job_leaves_its_traceback_and_the_others(sweep, tmp_path, monkeypatch):
    step = SequenceModule.training_step

    def broken(module, batch, index):
        if module.model.cell.output_size == 5:
            raise RuntimeError("a bug")
        return step(module, batch, index)

    monkeypatch.setattr(SequenceModule, "training_step", broken)
    status, out, _ = sweep("model.cell.hidden_size=5,4")
    assert status == 1
    assert "RuntimeError: a bug" in out
    (report,) = tmp_path.glob("sweeps/s/failures/*.txt")
    assert "Traceback" in report.read_text()
    assert sorted(run.card["status"] for run in runs(tmp_path).values()) == ["failed", "finished"]


def test_a_dry_run_lists_the_jobs_and_writes_nothing(sweep, tmp_path):
    status, out, _ = sweep("seed=0,1", "dry_run=true")
    assert "0 jobs" not in out
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["train", "train"]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_one_run_only_checks(run_main, tmp_path):
    assert run_main(main, "rnnlab-train", *tiny(tmp_path), "dry_run=true")[0] == 0
    assert run_main(main, "rnnlab-train", *tiny(tmp_path), "dry_run=true", "monitor=x")[0] == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_a_sweep_without_a_name_gets_one_from_its_words(run_main, tmp_path):
    run_main(main, "rnnlab-train", "-m", *tiny(tmp_path), "task.delay=1,2", "seed=0,1")
    assert [path.name for path in (tmp_path / "sweeps").iterdir()] == ["copy_elman_delay_seed"]


WRONG = ["on_error=maybe", "sed=1", "model=lsmt", "sweep_name=../x"]


@pytest.mark.parametrize("word", dear_but(WRONG[2:], WRONG))
def test_a_mistake_is_one_line_and_status_2(sweep, tmp_path, word):
    status, out, err = sweep("seed=0,1", word)
    assert status == 2
    assert out == ""
    assert [line for line in err.splitlines() if line.startswith("rnnlab-train: ")]
    assert runs(tmp_path) == {}


@pytest.mark.parametrize(
    "word",
    ["sweep_name=a,b", "output_dir=a,b", "sweep=memory,recall", "hydra.launcher.members=1,2"],
)
def test_what_all_jobs_share_is_one(run_main, tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    key, _, value = word.partition("=")
    assert run_main(main, "rnnlab-train", "-m", "seed=0,1", word) == (
        2,
        "",
        f"rnnlab-train: {key} must be one for all jobs of a sweep, got {value}\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_named_sweep_that_says_no_name_has_that_of_its_file(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep/mine.yaml").write_text("# @package _global_\nhydra: {mode: MULTIRUN}\n")
    (tmp_path / "sweep/yours.yaml").write_text("# @package _global_\nsweep_name: ours\n")
    with using_source(ConfigSource(tmp_path)):
        assert progress.name_override(["sweep=mine"]) == ["sweep_name=mine"]
        assert progress.name_override(["sweep=yours"]) == []
        assert progress.name_override(["sweep=mine", "sweep_name=other"]) == []
        with pytest.raises(ConfigError, match="sweep=nothing doesn't exist"):
            progress.name_override(["sweep=nothing"])
