"""`compare=KEY` pairs only runs that agree in everything else."""

import pytest

from rnnlab.errors import ConfigError
from rnnlab.reports.aggregate import aggregate_runs
from rnnlab.reports.matched import match
from rnnlab.reports.question import Question
from rnnlab.reports.table import read_table
from tests.reports.fabricate import fabricate


def matching(directory, key):
    table = read_table(directory)
    aggregate = aggregate_runs(table, Question(), None)
    return match(aggregate, key)


def run(directory, loss, status="finished", **words):
    names = {"rate": "optimizer.lr", "bias": "model.cell.forget_bias"}
    given = {names.get(key, key): value for key, value in words.items()}
    return fabricate(directory, given, {"loss": loss}, status=status)


def test_pairs_agree_in_rate_and_seed(tmp_path):
    for rate in (0.1, 0.2):
        for seed in (0, 1):
            run(tmp_path, 5 * rate + seed, model="elman", rate=rate, seed=seed)
            run(tmp_path, 5 * rate + seed - 0.25, model="gru", rate=rate, seed=seed)
    found = matching(tmp_path, "model")
    (pair,) = found.pairs
    assert (pair.value, pair.other) == ("gru", "elman")
    assert pair.evidence.difference.size == 4
    assert pair.evidence.difference.mean == pytest.approx(-0.25)
    assert (pair.evidence.signs[:2], pair.evidence.permutation_p) == ((4, 0), 2 / 2**4)
    assert found.summary == ["8 of 8 runs are paired"]


def test_runs_that_agree_with_none_are_left_out_and_it_is_said_why(tmp_path):
    for seed in (0, 1):
        run(tmp_path, 1.0, task="copy", model="elman", rate=0.1, seed=seed)
        run(tmp_path, 2.0, task="copy", model="gru", rate=0.1, seed=seed)
    run(tmp_path, 0.0, task="copy", model="gru", rate=0.2, seed=0)
    run(tmp_path, 0.0, task="copy", model="gru", rate=0.1, seed=7)
    run(tmp_path, 0.0, task="parity", model="gru", rate=0.1, seed=0)
    found = matching(tmp_path, "model")
    (pair,) = found.pairs
    assert (pair.evidence.difference.size, pair.evidence.difference.mean) == (2, 1.0)
    assert found.left_out == {
        "no run of another model has the same lr": 1,
        "no run of another model has the same seed": 1,
        "their task has one model alone": 1,
    }
    assert found.summary[:2] == [
        "4 of 7 runs are paired",
        "1 left out: no run of another model has the same lr",
    ]


def test_a_setting_that_only_one_model_has_keeps_its_runs_apart(tmp_path):
    run(tmp_path, 1.0, model="elman", seed=0)
    for bias in (0, 1):
        run(tmp_path, 2.0, model="lstm", bias=bias, seed=0)
    found = matching(tmp_path, "model")
    assert found.pairs == []
    assert sum(found.left_out.values()) == 3


def test_a_failure_is_worse_and_has_no_difference(tmp_path):
    for seed in (0, 1):
        run(tmp_path, 1.0, model="elman", seed=seed)
    run(tmp_path, 0.5, model="gru", seed=0)
    run(tmp_path, 0.0, "diverged", model="gru", seed=1)
    (pair,) = matching(tmp_path, "model").pairs
    assert pair.evidence.difference.size == 1
    assert pair.evidence.signs[:2] == (1, 1)


def test_tasks_are_compared_one_by_one(tmp_path):
    for task, sign in (("copy", 1), ("parity", -1)):
        for seed in (0, 1):
            run(tmp_path, 1.0, task=task, model="elman", seed=seed)
            run(tmp_path, 1.0 + sign / 2, task=task, model="gru", seed=seed)
    found = matching(tmp_path, "model")
    assert [(p.task, p.evidence.difference.mean) for p in found.pairs] == [
        ("copy", 0.5),
        ("parity", -0.5),
    ]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("modl", "compare=modl is not swept here: did you mean model"),
        ("seed", "compare=seed is not swept here: it takes model"),
        ("task", "compare=task: scores of different tasks can't be compared"),
    ],
)
def test_what_can_not_be_compared_is_an_error(tmp_path, key, message):
    for task in ("copy", "parity"):
        for model in ("elman", "gru"):
            for seed in (0, 1):
                run(tmp_path, 1.0, task=task, model=model, seed=seed)
    with pytest.raises(ConfigError, match=message):
        matching(tmp_path, key)
