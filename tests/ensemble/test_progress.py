"""A group shows how far it is and what its best and its worst run have come to."""

import math
import re

import pytest
import torch

from rnnlab.ensemble.progress import GroupProgress
from tests.ensemble.groups import open_group, together
from tests.small_runs import tiny

NUMBER = r"[\d.e+-]+[kM]?"


def test_a_log_file_gets_the_first_and_last_step_and_each_validation(tmp_path, capsys):
    together(open_group([tiny(tmp_path, f"seed={s}") for s in range(3)]))
    speed = rf"{NUMBER} steps/s  {NUMBER} symbols/s"
    both = rf"({NUMBER}) \(best\) ({NUMBER}) \(worst\)"
    expected = [
        rf"step 1/4 of 3 runs  loss {both}  {speed}  \d+:\d\d left",
        rf"step 2  val/loss {both}",
        rf"step 4/4 of 3 runs  loss {both}  {speed}  0:00 left",
        rf"step 4  val/loss {both}",
    ]
    out, err = capsys.readouterr()
    assert out == ""
    for line, pattern in zip(err.splitlines(), expected, strict=True):
        found = re.fullmatch(pattern, line)
        assert found, line
        assert float(found[1]) < float(found[2])


def test_what_is_shown_comes_as_often_as_every_seconds_says(capsys):
    with GroupProgress(0, 9, "val/loss", "min", every_seconds=0.0) as often:
        for step in (1, 2, 3):
            often.updated(step, torch.tensor([0.1, 0.3]), 10)
    with GroupProgress(0, 9, "val/loss", "min", every_seconds=1e9) as seldom:
        for step in (1, 2, 9):
            seldom.updated(step, torch.tensor([0.1, 0.3]), 10)
    shown = re.findall(r"step (\d)/9 of 2 runs  loss 0.1 \(best\) 0.3 ", capsys.readouterr().err)
    assert shown == ["1", "2", "3", "1", "9"]


def test_of_a_metric_that_is_better_if_higher_the_best_is_the_highest(capsys):
    with GroupProgress(0, 9, "val/accuracy", "max") as progress:
        progress.validated(3, [0.5, 0.75, math.nan, 0.25])
        progress.validated(4, [math.nan])
    assert capsys.readouterr().err == "step 3  val/accuracy 0.75 (best) 0.25 (worst)\n"


def test_a_run_that_diverges_hides_no_other(capsys):
    with GroupProgress(0, 9, "val/loss", "min") as progress:
        progress.updated(1, torch.tensor([0.5, torch.nan, torch.inf]), 10)
    assert "loss 0.5 (best) 0.5 (worst)" in capsys.readouterr().err


@pytest.mark.parametrize("done", [0, 2])
def test_a_terminal_gets_a_bar(done, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with GroupProgress(done, 4, "val/loss", "min") as progress:
        progress.updated(3, torch.tensor([0.1, 0.3]), 10)
        progress.validated(3, [0.2, 0.4])
        progress.updated(4, torch.tensor([0.1, 0.3]), 10)
    err = capsys.readouterr().err
    assert "train 100%" in err
    assert "2 runs, loss 0.1 to 0.3" in err
    assert "step 3  val/loss 0.2 (best) 0.4 (worst)" in err
