"""The runs below a directory as a list: filtered, sorted, and with the settings that differ."""

import json
import math

import pytest

from rnnlab.errors import ConfigError
from rnnlab.reports.listing import Filter, as_json, list_runs
from tests.reports.fabricate import fabricate, fail


@pytest.fixture
def place(tmp_path):
    """Two models with two seeds each, and one run that diverged."""
    for model, loss in (("elman", 0.5), ("lstm", 0.25)):
        for seed in (0, 1):
            words = {"model": model, "task": "copy", "task.delay": 5, "seed": seed}
            scores = {"loss": loss + seed, "accuracy": 1 - loss}
            fabricate(tmp_path, words, scores, seconds=10.0 * seed, name=f"{model}{seed}")
    words = {"model": "gru", "task": "copy", "task.delay": 5, "seed": 0}
    fabricate(tmp_path, words, status="diverged", name="gru0", reason="loss is nan")
    return tmp_path


def names(place, *filters: str, sort: str = "run", metric: str | None = None) -> list[str]:
    chosen = [Filter(text) for text in filters]
    return [run.path.name for run in list_runs(place, chosen, sort, metric).runs]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], ["elman0", "elman1", "gru0", "lstm0", "lstm1"]),
        (["model=lstm"], ["lstm0", "lstm1"]),
        (["model=lstm,gru", "seed=0"], ["gru0", "lstm0"]),
        (["model=*l*"], ["elman0", "elman1", "lstm0", "lstm1"]),
        (["model!=lstm,gru"], ["elman0", "elman1"]),
        (["state=diverged"], ["gru0"]),
        (["seconds<5"], ["elman0", "gru0", "lstm0"]),  # one that diverged took 2.5
        (["score<=0.5"], ["elman0", "lstm0"]),
        (["test/accuracy>0.6", "seed>=1"], ["lstm1"]),
        (["task.delay=5.0", "run=*/gru*"], ["gru0"]),
        (["task.delay=6"], []),
    ],
)
def test_filters_choose_runs(place, filters, found):
    assert names(place, *filters) == found


@pytest.mark.parametrize(
    ("sort", "metric", "found"),
    [
        ("score", None, ["lstm0", "elman0", "lstm1", "elman1", "gru0"]),
        ("-score", None, ["elman1", "lstm1", "elman0", "lstm0", "gru0"]),
        ("-seconds", None, ["elman1", "lstm1", "gru0", "elman0", "lstm0"]),
    ],
)
def test_runs_are_sorted_and_those_without_the_key_are_last(place, sort, metric, found):
    assert names(place, sort=sort, metric=metric) == found


def test_the_best_score_is_the_highest_where_its_task_says_so(place):
    best, *_, worst = names(place, "state=finished", sort="score", metric="test/accuracy")
    assert best.startswith("lstm")
    assert worst.startswith("elman")


def test_settings_are_those_in_which_the_chosen_runs_differ(place):
    assert list_runs(place, [], "run").keys == ["seed"]
    assert list_runs(place, [Filter("seed=0")], "run").keys == []
    run, *_ = list_runs(place, [], "-seed").runs
    assert run.settings(["seed", "optimizer.lr"]) == {"seed": 1}


def test_runs_that_cannot_be_read_are_listed_with_the_reason(place):
    (place / "gru0" / "config.yaml").write_text("a: [")
    (place / "lstm0" / "results.json").write_text("{")
    (place / "lstm1" / "run.json").write_text("[]")
    (place / "elman0" / "run.json").unlink()
    (place / "sweep").mkdir()
    fail(place / "sweep", "0123456789ab", "model=gru task=copy", "failed", "out of memory")
    listing = list_runs(place, [], "run")
    states = {run.path.name: run.state for run in listing.runs}
    assert states == {
        "elman0": "begun",
        "elman1": "finished",
        "gru0": "unreadable",
        "lstm0": "unreadable",
        "lstm1": "unreadable",
        "0123456789ab.json": "failed",
    }
    found = {run.path.name: as_json(run, {}) for run in listing.runs}
    assert "config.yaml can't be read" in found["gru0"]["reason"]
    assert "out of memory" in found["0123456789ab.json"]["reason"]
    assert found["0123456789ab.json"]["model"] == "gru"


def test_a_directory_that_cannot_be_looked_into_is_listed(place, monkeypatch):
    (place / "closed").mkdir()
    seen = type(place).iterdir

    def refuse(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return seen(path)

    monkeypatch.setattr(type(place), "iterdir", refuse)
    assert names(place, "state=unreadable") == ["closed"]


def test_json_has_no_numbers_that_json_has_not(tmp_path):
    fabricate(tmp_path, {"model": "elman", "task": "copy"}, {"loss": math.nan})
    (run,) = list_runs(tmp_path, [], "run").runs
    found = json.loads(json.dumps(as_json(run, {}), allow_nan=False))
    assert found["score"] is None
    assert found["metric"] == "test/loss"


@pytest.mark.parametrize(
    ("filters", "sort", "metric", "said"),
    [
        (["modle=gru"], "run", None, "modle is nothing that these runs have: did you mean model?"),
        ([], "scores", None, "scores is nothing that these runs have: did you mean score?"),
        ([], "run", "test/acuracy", "metric=test/acuracy is not a score of these runs: did you"),
    ],
)
def test_a_key_that_no_run_has_is_refused(place, filters, sort, metric, said):
    with pytest.raises(ConfigError, match=said):
        names(place, *filters, sort=sort, metric=metric)


@pytest.mark.parametrize("text", ["gru", "=gru", "seed<two"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ConfigError, match=r"can't be read as KEY=VALUE|takes a number, got 'two'"):
        Filter(text)
