"""Progress of training, on a terminal and in a log file."""

import re
import sys
from types import ModuleType, SimpleNamespace

import pytest

import rnnlab
from rnnlab.training.callbacks import Progress
from tests.small_runs import tiny


def test_a_log_file_gets_the_first_and_last_step_and_each_validation(tmp_path, capsys):
    rnnlab.train(tiny(tmp_path))
    out, err = capsys.readouterr()
    assert out == ""
    number = r"[\d.e+-]+[kM]?"
    expected = [
        rf"step 1/4  loss {number}  {number} steps/s  {number} symbols/s  \d+:\d\d left",
        rf"step 2  val/loss {number}",
        rf"step 4/4  loss {number}  {number} steps/s  {number} symbols/s  0:00 left",
        rf"step 4  val/loss {number}",
    ]
    lines = err.splitlines()
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line


def test_lines_come_as_often_as_every_seconds_says(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Progress.__init__, "__defaults__", (0.0,))
    rnnlab.train(tiny(tmp_path))
    shown = re.findall(r"step (\d)/4", capsys.readouterr().err)
    assert shown == ["1", "2", "3", "4"]


def test_the_loss_shown_is_that_of_the_log(tmp_path, capsys):
    run = rnnlab.train(tiny(tmp_path, "trainer.accumulate=2", "trainer.max_steps=1"))
    shown = re.findall(r"loss ([\d.]+)  ", capsys.readouterr().err)[-1]
    batch = run.experiment.data.train(1)
    assert float(shown) == pytest.approx(run.rows[0]["train/loss"], rel=0.2)
    assert batch.input.shape[0] == 4


def test_a_terminal_gets_a_bar_that_ends_full(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    rnnlab.train(tiny(tmp_path))
    err = capsys.readouterr().err
    assert "train 100%" in err
    assert "4/4" in err
    assert "step 4  val/loss" in err


@pytest.mark.parametrize("kernel", [True, False])
def test_a_notebook_gets_a_bar_and_another_shell_of_ipython_none(
    tmp_path, capsys, monkeypatch, kernel
):
    shell = SimpleNamespace(config={"IPKernelApp": {}} if kernel else {})
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    rnnlab.train(tiny(tmp_path))
    assert ("train 100%" in capsys.readouterr().err) is kernel
