"""`metrics.csv`: a row a step, a column a metric."""

import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.runs.metrics_csv import CSVLog, parse_curve, read_curve


def test_metrics_of_one_step_share_a_row_and_new_ones_widen_the_table(tmp_path):
    log = CSVLog(tmp_path / "metrics.csv")
    log.log_metrics({"train/loss": 2.0}, step=1)
    log.log_metrics({"train/loss": 1.5}, step=2)
    log.save()
    log.log_metrics({"val/loss": torch.tensor(1.25)}, step=2)
    log.log_metrics({"train/loss": 1.0, "train/accuracy": 0.0}, step=3)
    log.save()
    assert (tmp_path / "metrics.csv").read_text().splitlines() == [
        "step,train/loss,val/loss,train/accuracy",
        "1,2.0,,",
        "2,1.5,1.25,",
        "3,1.0,,0.0",
    ]


def test_a_curve_read_back_has_what_was_logged_zeros_too(tmp_path):
    log = CSVLog(tmp_path / "metrics.csv")
    log.log_metrics({"a": 0.0, "b": float("nan")}, step=0)
    log.log_metrics({"b": 1e-30}, step=7)
    log.save()
    first, second = read_curve(tmp_path / "metrics.csv")
    assert first["a"] == 0
    assert first["b"] != first["b"]
    assert second == {"step": 7, "b": 1e-30}


def test_a_log_resumes_with_training_and_later_rows_and_columns_are_gone(tmp_path):
    path = tmp_path / "metrics.csv"
    whole, log = CSVLog(tmp_path / "whole.csv"), CSVLog(path)
    rows = [({"a": 0.1 + step, "time/x": 1.0}, step) for step in range(1, 6)]
    for row in rows:
        whole.log_metrics(*row)
        log.log_metrics(*row)
    log.log_metrics({"b": 2.0}, step=6)
    log.save()
    again = CSVLog(path, parse_curve(log.text(3), ""))
    for row in rows[3:]:
        again.log_metrics(*row)
    for some in (whole, again):
        some.save()
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert b"time" not in path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        *("step,a\n1,x\n", "a\n1\n", "step,a\n1,2,3\n", "\x00", 'step\n"1'),
        *("step,a\nnan,1\n", "step,a\ninf,1\n", "step,a\n1.5,1\n", "step,a\n-1,1\n"),
    ],
)
def test_a_curve_that_was_tampered_with_is_damaged(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(ConfigError, match="is damaged"):
        read_curve(tmp_path / "metrics.csv")
