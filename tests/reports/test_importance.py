"""Importance of settings, where it is known how scores are made."""

import numpy as np
import pytest

from rnnlab.reports.aggregate import aggregate_runs
from rnnlab.reports.importance import explained, importances, rank
from rnnlab.reports.question import Question
from rnnlab.reports.table import read_table
from tests.reports.fabricate import fabricate


def found(directory) -> dict[str, float]:
    aggregate = aggregate_runs(read_table(directory), Question(), None)
    return {each.key: each.share for each in importances(aggregate)}


def test_what_a_setting_explains_is_the_effect_size_of_kruskal_and_wallis():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 40)
    scores = (classes + rng.normal(0, 1.0, 40)).round(1)  # with ties
    statistic, _ = stats.kruskal(*(scores[classes == each] for each in range(3)))
    assert explained(rank(scores), classes) == pytest.approx((statistic - 3 + 1) / (40 - 3))


def test_equal_scores_share_the_mean_of_their_ranks():
    assert rank(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4, 1, 4, 2, 4]


def test_the_setting_that_makes_the_scores_comes_first(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(80):
        rate, size = float(10 ** rng.uniform(-4, -1)), int(rng.integers(8, 64))
        words = {"optimizer.lr": rate, "model.cell.hidden_size": size, "seed": 0}
        fabricate(tmp_path, words, {"loss": abs(np.log10(rate) + 2.5) + n % 7 / 50})
    shares = found(tmp_path)
    assert [*shares] == ["optimizer.lr", "model.cell.hidden_size"]
    assert shares["optimizer.lr"] > 0.6
    assert shares["model.cell.hidden_size"] < 0.15


def test_runs_are_ranked_within_their_task_and_failures_last(tmp_path):
    for task, scale in (("copy", 1.0), ("addition", 1000.0)):
        for model in ("elman", "gru"):
            for rate in (0.1, 0.2, 0.4):
                for seed in (0, 1):
                    words = {"task": task, "model": model, "optimizer.lr": rate, "seed": seed}
                    status = "diverged" if rate == 0.4 else "finished"
                    loss = scale * (1 + (model == "gru") / 10 + seed / 100)
                    fabricate(tmp_path, words, {"loss": loss}, status=status)
    shares = found(tmp_path)
    assert "task" not in shares
    assert shares["optimizer.lr"] > shares["model"] > 0.0


def test_of_few_runs_nothing_is_said(tmp_path):
    for rate in (0.1, 0.2, 0.4):
        for size in (8, 16, 32):
            words = {"optimizer.lr": rate, "model.cell.hidden_size": size}
            fabricate(tmp_path, words, {"loss": rate})
    assert found(tmp_path) == {}
