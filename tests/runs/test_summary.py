"""The summary at the end of a run."""

import pytest

import rnnlab
from rnnlab.runs.scores import score_lines
from rnnlab.runs.summary import summarize
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
