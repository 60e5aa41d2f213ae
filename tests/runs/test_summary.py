"""The summary at the end of a run."""

import os
import sys
from pathlib import Path

import pytest

import rnnlab
from rnnlab.runs.scores import score_lines
from rnnlab.runs.summary import command, summarize, typed
from tests.small_runs import tiny


def test_metrics_are_rows_and_splits_are_columns():
    columns = {
        "train": {"loss": 1.0, "grad_norm": 3.0, "learning_rate": 0.1},
        "test": {"loss": 0.123456, "free_loss": 2.0},
        "floor": {"loss": 0.5},
    }
    assert score_lines(columns) == [
        "               train       test      floor",
        "loss               1     0.1235        0.5",
        "free_loss                     2        0.5",
    ]


@pytest.mark.parametrize("log_every", [1, 100])
def test_a_report_holds_every_score_the_samples_and_what_to_do_next(tmp_path, log_every):
    run = rnnlab.train(tiny(tmp_path, f"trainer.log_every={log_every}"))
    said = summarize(run)
    for split in ("train", "val", "test", "floor"):
        assert f"{run.results[split]['loss']:.4g}" in said
    assert "elman on copy" in said
    assert f"{run.results['parameters']:,} parameters" in said
    assert (run.path / "samples.md").read_text(encoding="utf-8").strip() in said
    assert f"run={run.path}" in said


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment with one command, in the current directory and not on PATH."""
    place = tmp_path / ".venv" / "bin"
    place.mkdir(parents=True)
    for name in ("python", "rnnlab-sample"):
        (place / name).touch(mode=0o755)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "sample.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setattr(sys, "executable", str(place / "python"))
    monkeypatch.setattr(sys, "argv", ["scripts/train.py"])
    return place


def test_commands_are_those_of_this_environment(environment, monkeypatch, tmp_path):
    assert command("rnnlab-sample") == ".venv/bin/rnnlab-sample"
    monkeypatch.setenv("PATH", str(environment), prepend=os.pathsep)
    assert command("rnnlab-sample") == "rnnlab-sample"
    other = tmp_path / "other"
    other.mkdir()
    (other / "rnnlab-sample").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(other), prepend=os.pathsep)
    assert command("rnnlab-sample") == ".venv/bin/rnnlab-sample"


def test_where_nothing_is_installed_launchers_and_modules_are_named(environment):
    (environment / "rnnlab-sample").unlink()
    assert command("rnnlab-sample") == ".venv/bin/python scripts/sample.py"
    assert command("tensorboard") == ".venv/bin/python -m tensorboard.main"


def test_paths_are_whole_where_the_shell_is_elsewhere(environment, monkeypatch, tmp_path):
    assert typed(Path("outputs")) == "outputs"
    monkeypatch.setenv("PWD", "/")
    assert typed(Path("outputs")) == str(tmp_path / "outputs")
    assert command("rnnlab-sample") == str(environment / "rnnlab-sample")
