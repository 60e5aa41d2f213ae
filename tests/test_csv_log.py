"""`metrics.csv`: a row a step, a column a metric."""

import torch

from rnnlab.csv_log import CSVLog, read_curve


def test_metrics_of_one_step_share_a_row_and_new_ones_widen_the_table(tmp_path):
    log = CSVLog(tmp_path / "metrics.csv")
    log.log_metrics({"train/loss": 2.0}, step=1)
    log.log_metrics({"train/loss": 1.5}, step=2)
    log.save()
    log.log_metrics({"val/loss": torch.tensor(1.25)}, step=2)
    log.log_metrics({"train/loss": 1.0, "train/accuracy": 0.0}, step=3)
    log.finalize("success")
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
