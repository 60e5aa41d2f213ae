"""The budget of an analysis ends its loops and says what it left out; meanwhile a line is shown."""

import json
import re
import time
from pathlib import Path

import pytest

import rnnlab
from rnnlab.analysis import progress
from rnnlab.analysis.progress import Progress, within_budget
from rnnlab.analysis.run import analyze_run
from rnnlab.cli import analyze
from tests.calls import call
from tests.small_runs import tiny


def test_without_a_budget_all_is_done() -> None:
    assert [*within_budget("abc", "letters")] == ["a", "b", "c"]
    with Progress("some", None) as unlimited:
        assert [*within_budget("abc", "letters")] == ["a", "b", "c"]
    assert unlimited.cut == []


def test_a_spent_budget_leaves_the_least_and_says_what_it_cut() -> None:
    with Progress("some", 1e-9) as spent:
        assert [*within_budget("abcde", "letters", least=2)] == ["a", "b"]
        assert [*within_budget("fgh", "more")] == ["f"]
    assert spent.cut == ["2 of 5 letters", "1 of 3 more"]
    assert [*within_budget("abc", "letters")] == ["a", "b", "c"]  # it ended with its context


def test_a_loop_may_be_given_a_share_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Progress("some", 10.0):
        for _ in within_budget(range(100), "steps", share=0.5):
            now[0] += 1
        assert now[0] == 6
        for _ in within_budget(range(100), "steps"):
            now[0] += 1
        assert now[0] == 11


def test_a_line_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    said = ""
    with Progress("some", 9e6, every_seconds=0.01):
        for step in within_budget(range(3), "steps"):
            while not re.search(
                rf"^some  steps {step + 1}/3  \d+ of at most 9e\+06 s$", said, re.M
            ):
                time.sleep(0.01)
                said += capsys.readouterr().err


def test_a_command_says_and_writes_what_its_budget_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    run = rnnlab.train(tiny(tmp_path))
    capsys.readouterr()
    analyze_run(run, ["lengths"], [], [], "best", everything=False, seconds=1e-9)
    cut = "cut short by seconds=1e-09, after 1 of 8 lengths"
    assert cut in capsys.readouterr().out.splitlines()
    found = json.loads(run.figure("lengths.json").read_text())
    assert found["cut"] == cut
    assert len(found["scores"]) == 1


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("seconds=0", "seconds must be more than 0.0, got 0"),
        ("format=gif", "format must be one or several of png, svg, pdf, got 'gif'"),
        ("format=png,", "format must be one or several of png, svg, pdf, got ''"),
    ],
)
def test_a_wrong_budget_or_format_is_one_line(word: str, told: str) -> None:
    status, _, err = call(analyze.main, "rnnlab-analyze", "run=x", "analysis=states", word)
    assert status == 2
    assert told in err
    assert err.count("\n") == 1
