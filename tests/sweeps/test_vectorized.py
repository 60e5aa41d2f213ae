"""`hydra/launcher=vectorized`: jobs train as one model, with the results of single runs."""

import re
from pathlib import Path

import pytest

from rnnlab.runs.run import Run

pytestmark = pytest.mark.thorough

GROUPED = "hydra/launcher=vectorized"


def runs(out: Path) -> dict[str, Run]:
    paths = sorted(path.parent for path in out.glob("sweeps/s/[!.]*/config.yaml"))
    return {path.name: Run.load(path) for path in paths}


def test_a_grouped_sweep_has_the_results_of_a_plain_one(sweep, tmp_path):
    words = ["seed=0,1", "optimizer.lr=0.01,0.03"]
    assert sweep(*words, out=tmp_path / "plain")[0] == 0
    status, out, err = sweep(*words, GROUPED, out=tmp_path / "grouped")
    assert status == 0
    assert "4 jobs as one model: 1, 2, 3, 4" in err
    assert out.splitlines()[-2] == "4 jobs: 4 finished"
    plain, grouped = runs(tmp_path / "plain"), runs(tmp_path / "grouped")
    assert list(plain) == list(grouped)
    for name, run in grouped.items():
        assert run.card["group"] == 4
        assert run.card["overrides"] == plain[name].card["overrides"]
        assert run.results["test"] == pytest.approx(plain[name].results["test"], abs=1e-4)
        for row, other in zip(run.rows, plain[name].rows, strict=True):
            assert row == pytest.approx(other, abs=1e-4)


def test_jobs_that_can_not_be_stacked_train_alone_and_the_reason_is_printed(sweep, tmp_path):
    status, _, err = sweep("seed=0,1", "trainer.accumulate=1,2", GROUPED)
    assert status == 0
    assert "2 jobs as one model: 1, 3" in err
    assert "jobs 2, 4 go alone: trainer.accumulate=2, groups take 1" in err
    groups = {run.config.trainer.accumulate: "group" in run.card for run in runs(tmp_path).values()}
    assert groups == {1: True, 2: False}


def test_finished_jobs_are_left_alone_and_new_ones_join(sweep, tmp_path):
    sweep("seed=0,1", GROUPED)
    before = {name: run.card["ended"] for name, run in runs(tmp_path).items()}
    status, _, err = sweep("seed=0,1,2,3", GROUPED)
    assert status == 0
    assert "2 jobs as one model: 3, 4" in err
    after = {name: run.card["ended"] for name, run in runs(tmp_path).items()}
    assert len(after) == 4
    assert {name: after[name] for name in before} == before


def test_a_job_that_is_refused_or_diverges_stops_no_other(sweep, tmp_path):
    exploding = ["optimizer=sgd", "trainer.clip_norm=null", "model.cell.activation=relu"]
    status, out, _ = sweep(*exploding, "optimizer.lr=0.1,1e6,0.2,-1", GROUPED)
    assert status == 3
    statuses = {run.config.optimizer.lr: run.card["status"] for run in runs(tmp_path).values()}
    assert statuses == {0.1: "finished", 1e6: "diverged", 0.2: "finished"}
    assert "optimizer.lr must be more than 0" in out
    assert re.search(r"  lr=1000000.0-[0-9a-f]{8}  diverged  the training loss is inf", out)


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: [path.write_bytes(b"x") for path in run.path.glob("checkpoints/*")],
        lambda run: (run.file("figures").rmdir(), run.file("figures").symlink_to("/")),
    ],
    ids=["checkpoints", "link"],
)
def test_a_damaged_run_stops_no_other_member(sweep, tmp_path, damage):
    sweep("seed=0,1,2", GROUPED)
    for run in runs(tmp_path).values():
        run.write_json("run.json", {**run.card, "status": "interrupted"})
        run.file("results.json").unlink()
    spoilt, *others = runs(tmp_path).values()
    for picture in spoilt.path.glob("figures/*"):
        picture.unlink()
    damage(spoilt)
    status, out, _ = sweep("seed=0,1,2", GROUPED)
    assert status == 2
    assert {run.status for run in others} == {"finished"}
    assert f"  {spoilt.path.name}  refused" in out
    assert out.count("refused") == 1


def test_jobs_that_cannot_be_built_leave_no_directories(sweep, tmp_path):
    status, out, _ = sweep("seed=0,1", "monitor=val/nothing", GROUPED)
    assert status == 2
    assert runs(tmp_path) == {}
    assert "2 jobs: 2 refused" in out


def test_a_dry_run_lists_all_and_groups_nothing(sweep, tmp_path):
    status, out, err = sweep("seed=0,1", "dry_run=true", GROUPED)
    assert status == 0
    assert "as one model" not in err
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["train", "train"]
    assert list(tmp_path.iterdir()) == []


def test_groups_may_be_kept_small(sweep, tmp_path):
    assert sweep("seed=0,1,2", "hydra.launcher.members=2", GROUPED)[0] == 0
    assert sorted(run.card["group"] for run in runs(tmp_path).values()) == [1, 2, 2]
    status, _, err = sweep("seed=0,1", "hydra.launcher.members=0", GROUPED)
    assert status == 2
    assert "hydra.launcher.members must be auto or 1 or more, got 0" in err


def test_many_jobs_in_a_row_are_named_by_the_first_and_the_last(sweep):
    words = ["seed=range(6)", "trainer.accumulate=2,1"]
    _, _, err = sweep(*words, "trainer.max_steps=1", GROUPED)
    assert "6 jobs as one model: 2, 4, 6, 8, 10, 12" in err
    _, _, err = sweep("seed=range(10,17)", "trainer.max_steps=1", GROUPED)
    assert "7 jobs as one model: 1 to 7" in err
