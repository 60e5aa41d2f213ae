"""What must be learnt, a slow test a target; the numbers stand in `scripts/learn.py`."""

import json
import subprocess
from pathlib import Path

import pytest

import learn


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all train: two targets may look at the same runs."""
    return tmp_path_factory.mktemp("learn")


@pytest.mark.slow
@pytest.mark.parametrize("name", learn.TARGETS)
def test_a_pair_learns_what_the_readme_says(name: str, place: Path) -> None:
    target = learn.TARGETS[name]
    values = [target.value(run) for run in learn.runs_of(target.words, learn.FEW, place)]
    kept = sum(map(target.holds, values))
    assert target.is_kept(kept, len(values)), (
        f"{target.quantity} must be {target.promise}, got {values}"
    )


@pytest.mark.parametrize("name", learn.TARGETS)
def test_the_table_holds_every_target_and_each_was_reached_in_its_budget(name: str) -> None:
    record = json.loads(learn.RECORD.read_text(encoding="utf-8"))
    assert name in record
    values = record[name]["values"]
    assert record[name]["kept"] == sum(map(learn.TARGETS[name].holds, values))
    assert learn.TARGETS[name].is_kept(record[name]["kept"], len(values))
    # The budget is held to by the recorded run, not by a clock in a test.
    assert record[name]["cpu_seconds"] <= learn.TARGETS[name].seconds
    assert f"`{record[name]['command']}`" in learn.PAGE.read_text(encoding="utf-8")


def test_code_that_is_no_commits_writes_no_numbers(monkeypatch, capsys) -> None:
    monkeypatch.setattr(learn.record, "checkout", lambda _: {"commit": "a" * 40, "dirty": True})
    monkeypatch.setattr(learn, "runs_of", lambda *_: pytest.fail("it trains"))
    monkeypatch.setattr(learn.sys, "argv", ["learn.py", "--write"])
    with pytest.raises(SystemExit, match="2"):
        learn.main()
    assert "--write needs src, configs and scripts as committed" in capsys.readouterr().err


def test_every_row_was_trained_with_a_commit_of_this_history() -> None:
    root = learn.ROOT
    if not (root / ".git").exists():
        pytest.skip("a copy without its history")
    shallow = subprocess.run(
        ["git", "rev-parse", "--is-shallow-repository"], cwd=root, capture_output=True, text=True
    )
    if shallow.stdout.strip() != "false":
        pytest.skip("a clone without all of its history")
    rows = json.loads(learn.RECORD.read_text(encoding="utf-8")).values()
    for commit in {row["commit"] for row in rows}:
        within = ["git", "merge-base", "--is-ancestor", commit, "HEAD"]
        assert subprocess.run(within, cwd=root).returncode == 0, commit
