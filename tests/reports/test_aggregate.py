"""Groups, success rates and comparisons, on numbers that can be checked by hand."""

import math

import pytest
from omegaconf import OmegaConf

from rnnlab.errors import ConfigError
from rnnlab.reports.aggregate import aggregate_runs
from rnnlab.reports.groups import value_of
from rnnlab.reports.question import Question
from rnnlab.reports.table import read_table
from tests.reports.fabricate import fabricate, fail


def aggregate(directory, metric=None, **asked):
    return aggregate_runs(read_table(directory), Question(**asked), metric)


@pytest.fixture
def two_models(tmp_path):
    """Runs of two models on seeds 0 to 3, of which one fails; returns their directory."""
    losses = {"gru": [0.1, 0.2, 0.3, 0.4], "elman": [0.5, 0.1, 0.6]}
    for model, values in losses.items():
        for seed, loss in enumerate(values):
            fabricate(
                tmp_path, {"model": model, "seed": seed}, {"loss": loss, "accuracy": 1 - loss}
            )
    fabricate(tmp_path, {"model": "elman", "seed": 3}, status="diverged")
    return tmp_path


def test_groups_are_combinations_of_swept_settings_without_the_seed(two_models):
    found = aggregate(two_models)
    assert found.metric == "test/loss"
    assert [found.label(group) for group in found.groups] == ["model=elman", "model=gru"]
    elman, gru = found.groups
    assert (elman.summary.size, elman.total, len(elman.failures)) == (3, 4, 1)
    assert elman.summary.mean == pytest.approx(0.4)
    assert (gru.summary.median, gru.failures) == (0.25, {})


def test_a_failure_did_not_reach_the_target(two_models):
    elman, gru = aggregate(two_models, target=0.2).groups
    assert (elman.reached, elman.rate) == (1, 0.25)
    assert (gru.reached, gru.rate) == (2, 0.5)
    assert [group.reached for group in aggregate(two_models).groups] == [None, None]


def test_higher_accuracy_is_better(two_models):
    found = aggregate(two_models, metric="test/accuracy", target=0.8)
    assert not found.lower_is_better
    assert [group.reached for group in found.groups] == [1, 2]
    assert found.label(found.comparisons[0].best) == "model=gru"
    assert found.comparisons[0].evidence.signs[:2] == (1, 3)


def test_pairs_are_of_shared_seeds_and_a_failure_is_worse(two_models):
    (pair,) = aggregate(two_models).comparisons
    assert pair.group.settings == {"model": "elman"}
    assert pair.evidence.difference.size == 3
    assert pair.evidence.difference.mean == pytest.approx((0.4 - 0.1 + 0.3) / 3)
    assert pair.evidence.signs[:2] == (1, 3)  # better on seed 1; worse on 0 and 2, and failed on 3


def test_only_groups_of_the_same_x_are_compared(tmp_path):
    for model, sign in (("a", 1), ("b", -1)):
        for delay in (5, 10):
            for seed in (0, 1):
                loss = 1 + sign * (delay - 7) / 10
                fabricate(
                    tmp_path, {"model": model, "task.delay": delay, "seed": seed}, {"loss": loss}
                )
    found = aggregate(tmp_path)
    assert found.x == "task.delay"
    compared = [(found.label(pair.group), found.label(pair.best)) for pair in found.comparisons]
    assert compared == [
        ("model=b delay=5", "model=a delay=5"),
        ("model=a delay=10", "model=b delay=10"),
    ]


def test_only_groups_that_differ_in_one_setting_are_compared(tmp_path):
    losses = {("a", 1, 8): 1, ("a", 2, 8): 2, ("b", 1, 8): 3, ("b", 2, 8): 4, ("b", 2, 16): 5}
    for (model, layers, size), loss in losses.items():
        for seed in (0, 1):
            words = {"model": model, "model.num_layers": layers, "model.size": size, "seed": seed}
            fabricate(tmp_path, words, {"loss": loss})
    found = aggregate(tmp_path)
    assert found.x == "model.num_layers"
    compared = {found.label(pair.group): found.label(pair.best) for pair in found.comparisons}
    assert compared == {
        "model=b num_layers=1 size=8": "model=a num_layers=1 size=8",
        "model=b num_layers=2 size=8": "model=a num_layers=2 size=8",
        "model=b num_layers=2 size=16": "model=b num_layers=2 size=8",
    }


@pytest.mark.parametrize("models", [("elman", "gru"), ("elman", "elman")])
def test_runs_of_different_tasks_are_not_compared(tmp_path, models):
    for model, task, loss in zip(models, ("copy", "addition_binary"), (2.0, 0.5), strict=True):
        for seed in range(5):
            fabricate(tmp_path, {"task": task, "model": model, "seed": seed}, {"loss": loss})
    assert aggregate(tmp_path).comparisons == []


def test_experiments_are_compared_where_their_task_is_the_same(tmp_path):
    tasks = {"copy_a": "copy", "copy_b": "copy", "addition_a": "addition"}
    for loss, (experiment, task) in enumerate(tasks.items()):
        for seed in (0, 1):
            run = fabricate(tmp_path, {"experiment": experiment, "seed": seed}, {"loss": -loss})
            config = run.config
            config.choices.task = task
            run.file("config.yaml").write_text(OmegaConf.to_yaml(config))
    found = aggregate(tmp_path)
    compared = [(found.label(pair.group), found.label(pair.best)) for pair in found.comparisons]
    assert compared == [("experiment=copy_a", "experiment=copy_b")]


def test_if_only_x_is_swept_its_values_are_compared(tmp_path):
    for delay in (10, 5):
        for seed in (0, 1):
            fabricate(tmp_path, {"task.delay": delay, "seed": seed}, {"loss": delay})
    found = aggregate(tmp_path)
    assert [group.settings["task.delay"] for group in found.groups] == [5, 10]
    assert [found.label(pair.group) for pair in found.comparisons] == ["delay=10"]


def test_a_setting_that_may_be_null_is_no_axis(tmp_path):
    for horizon in (1, 5, None):
        fabricate(tmp_path, {"model.horizon": horizon})
    found = aggregate(tmp_path)
    assert found.x is None
    assert [group.settings["model.horizon"] for group in found.groups] == [1, 5, None]


def test_one_seed_is_no_comparison(tmp_path):
    for delay in (10, 5):
        fabricate(tmp_path, {"task.delay": delay}, {"loss": delay})
    assert aggregate(tmp_path).comparisons == []


def test_the_default_metric_is_free_running_if_that_is_scored(tmp_path):
    fabricate(tmp_path, {"model": "seq2seq"}, {"loss": 0.001, "free_loss": 1.5})
    fabricate(tmp_path, {"model": "elman"}, {"loss": 0.7})
    found = aggregate(tmp_path)
    assert found.metric == "test/free_loss"
    assert [group.summary.mean for group in found.groups] == [0.7, 1.5]
    assert found.curve_metric == "val/free_loss"


def test_a_free_metric_is_never_read_for_a_plain_one():
    assert value_of({"test/free_loss": 1.0}, "test/loss") is None


def test_a_value_that_is_not_finite_is_a_failure(tmp_path):
    fabricate(tmp_path, {"seed": 0}, {"loss": math.nan})
    fabricate(tmp_path, {"seed": 1}, {"loss": 1.0})
    (group,) = aggregate(tmp_path).groups
    assert group.failures == {(0,): "test/loss is nan"}
    assert group.summary[:2] == (1, 1.0)


def test_seeds_of_several_kinds_may_be_aggregated_over(tmp_path):
    for seed in (0, 1):
        for data in (0, 1):
            fabricate(tmp_path, {"seed": seed, "data.seed": data, "model": "elman"})
    (group,) = aggregate(tmp_path, over=["seed", "data.seed"]).groups
    assert set(group.values) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert len(aggregate(tmp_path).groups) == 2


def test_a_random_search_comes_best_first(tmp_path):
    for i in range(8):
        rates = {"optimizer.lr": 0.1 + i, "optimizer.weight_decay": 0.2 + i * i}
        fabricate(tmp_path, rates, {"loss": abs(i - 5)})
    fail(tmp_path, "00", "optimizer.lr=7.7 optimizer.weight_decay=1.1", "refused", "no")
    found = aggregate(tmp_path)
    assert not found.is_grid
    assert [group.summary.mean for group in found.groups][:3] == [0, 1, 1]
    assert found.groups[-1].failures == {(None,): "refused: no"}


def test_settings_are_named_by_the_last_part_of_their_keys_where_that_is_unique(tmp_path):
    for i in range(2):
        fabricate(tmp_path, {"model.cell.size": i, "task.size": i, "optimizer.lr": i})
    assert aggregate(tmp_path).short_names == {
        "model.cell.size": "model.cell.size",
        "task.size": "task.size",
        "optimizer.lr": "lr",
    }


def test_which_values_are_better_is_declared_by_the_runs(tmp_path):
    for seed in (0, 1):
        words, scores = {"seed": seed}, {"loss_of_weight": seed}
        fabricate(tmp_path, words, scores, higher={"loss_of_weight": True})
    assert not aggregate(tmp_path, metric="test/loss_of_weight").lower_is_better
    assert aggregate(tmp_path, metric="seconds").lower_is_better
    with pytest.raises(ConfigError, match=r"metric=train/loss can't be compared: .* they do of lo"):
        aggregate(tmp_path, metric="train/loss")
    fabricate(tmp_path, {"seed": 2}, {"loss_of_weight": 2}, higher={"loss_of_weight": False})
    with pytest.raises(ConfigError, match="don't declare, or not alike, whether higher values"):
        aggregate(tmp_path, metric="test/loss_of_weight")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"metric": "test/los"},
            "metric=test/los is not a score of these runs: did you mean t",
        ),
        ({"metric": "bleu"}, r"a score of these runs: it takes test/loss, test/accuracy, val/loss"),
        ({"over": ["sed"]}, "over=sed is not swept here: did you mean seed"),
        ({"x": "model"}, "x=model is not a number that differs among the runs: it takes none"),
    ],
)
def test_an_unknown_metric_or_setting_is_an_error_with_the_known_ones(two_models, asked, message):
    with pytest.raises(ConfigError, match=message):
        aggregate(two_models, **asked)
