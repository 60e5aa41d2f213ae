"""`rnnlab-runs`: what it prints, and what it refuses."""

import json
from pathlib import Path

import pytest

from rnnlab.cli.runs import main
from tests.reports.fabricate import fabricate


@pytest.fixture
def call(run_main, tmp_path, monkeypatch):
    for seed in range(3):
        words = {"model": "gru", "task": "copy", "seed": seed}
        started = f"2026-01-0{seed + 1}T00:00:00"
        place = tmp_path / "outputs"
        fabricate(place, words, {"loss": 1 / (seed + 1)}, name=f"run{seed}", started=started)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        return run_main(main, "rnnlab-runs", *words)

    return call


def test_a_row_ends_with_the_directory_of_the_run_and_the_newest_is_first(call):
    status, out, err = call()
    assert (status, err) == (0, "")
    heading, *rows = out.splitlines()
    assert heading.split() == ["model", "task", "settings", "state", "score", "seconds", "run"]
    assert rows[0].split() == ["gru", "copy", "seed=2", "finished", "0.3333", *rows[0].split()[-3:]]
    assert [row.split()[-1] for row in rows] == [f"outputs/run{n}" for n in (2, 1, 0)]


def test_what_is_left_out_is_said(call):
    _, out, err = call("outputs", "sort=-score", "limit=1")
    assert out.splitlines()[1].endswith("run0")
    assert "2 runs more: limit=3 shows them all" in err
    status, out, err = call("seed=7")
    assert (status, out) == (0, "")
    assert "none of the 3 runs below outputs is such a one" in err


def test_json_has_all_that_are_chosen(call):
    status, out, _ = call("--json", "seed>0", "sort=seed")
    assert status == 0
    assert [run["settings"] for run in json.loads(out)] == [{"seed": 1}, {"seed": 2}]


def test_the_reasons_of_failures_stand_below(call):
    fabricate(Path("outputs"), {"seed": 9}, status="failed")
    assert "failed: at update 40" in call()[2]


def test_a_terminal_cuts_settings_and_no_directories(call, monkeypatch):
    fabricate(Path("outputs"), {"model": "gru", "task": "a" * 99}, name="run3", started="2026-02")
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = call()
    assert [row.split()[-1][-4:] for row in out.splitlines()[1:]] == [
        "run3",
        "run2",
        "run1",
        "run0",
    ]
    assert "…" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere must be a directory with runs in it"),
        (["outputs", "outputs/run0"], "it takes one directory with runs in it, got 2"),
        (["limit=0"], "limit must be a whole number, 1 or more, got '0'"),
        (["--sort", "score"], "did you mean sort=score?"),
        (["seed>x"], "seed> takes a number, got 'x'"),
        (["sede=1"], "did you mean seed?"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_a_line(call, words, said):
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert said in err
