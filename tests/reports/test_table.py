"""Reading runs and failures below a directory, and finding the swept settings."""

import json

import pytest

from rnnlab.errors import ConfigError
from rnnlab.reports.table import read_table
from tests.reports.fabricate import fabricate, fail


def by_settings(table) -> dict:
    return {tuple(record.settings.values()): record for record in table.records}


def test_overrides_that_differ_are_swept_with_values_of_their_type(tmp_path):
    for model, rate in (("elman", "1e-3"), ("gru", "0.01")):
        words = {
            "task": "copy",
            "model": model,
            "seed": 0,
            "flag": True,
            "optimizer.lr": float(rate),
        }
        fabricate(tmp_path, words)
    table = read_table(tmp_path)
    assert table.keys == ["model", "optimizer.lr"]
    assert set(by_settings(table)) == {("elman", 0.001), ("gru", 0.01)}
    assert table.shared == {"task": "copy", "seed": "0", "flag": "True"}


def test_the_value_of_a_missing_override_comes_from_the_config(tmp_path):
    fabricate(tmp_path, {"model": "elman", "seed": 0})
    fabricate(tmp_path, {"model": "elman", "seed": 3})
    run = fabricate(tmp_path, {"model": "gru", "seed": 0})
    card = run.card
    del card["overrides"]["seed"]
    run.write_json("run.json", card)
    assert set(by_settings(read_table(tmp_path))) == {("elman", 0), ("elman", 3), ("gru", 0)}


def test_output_and_hydra_keys_are_not_settings(tmp_path):
    for seed in (0, 1):
        fabricate(tmp_path, {"seed": seed, "output_dir": f"x{seed}", "hydra.verbose": seed})
    assert read_table(tmp_path).keys == ["seed"]


def test_runs_without_overrides_are_compared_by_their_configs(tmp_path):
    sizes = {"elman": 8, "lstm": 16}
    for model, size in sizes.items():
        for rate in (0.1, 0.2):
            words = {"model": model, "model.cell.hidden_size": size, "optimizer.lr": rate}
            fabricate(tmp_path / model, words, with_overrides=rate == 0.1)
    assert read_table(tmp_path).keys == ["model", "optimizer.lr"]


def test_a_setting_of_a_model_counts_where_runs_of_that_model_differ(tmp_path):
    for model, size in (("elman", 8), ("lstm", 16), ("lstm", 32)):
        words = {"model": model, "model.cell.hidden_size": size}
        fabricate(tmp_path, words, with_overrides=False)
    assert read_table(tmp_path).keys == ["model", "model.cell.hidden_size"]


def test_settings_that_an_experiment_sets_are_not_swept(tmp_path):
    for name, rate in (("a", 0.1), ("b", 0.2)):
        words = {"experiment": name, "model": name * 2, "optimizer.lr": rate}
        fabricate(tmp_path, words, with_overrides=False)
    assert read_table(tmp_path).keys == ["experiment"]


def test_scores_and_costs_have_their_names(tmp_path):
    fabricate(tmp_path, {"seed": 0}, {"loss": 0.25, "accuracy": 0.5}, floor={"loss": 2.0})
    (record,) = read_table(tmp_path).records
    assert record.scores["test/accuracy"] == record.scores["val/accuracy"] == 0.5
    assert record.scores["train/loss"] == 0.5
    assert (record.scores["best_step"], record.scores["seconds"]) == (300, 2.5)
    assert record.floor == {"loss": 2.0}
    assert record.failure is None


def test_results_of_an_earlier_version_take_directions_from_the_tasks_class(tmp_path):
    words = {"task._target_": "rnnlab.tasks.NextChar"}
    run = fabricate(tmp_path, words, {"bits_per_char": 2.0})
    results = run.results
    del results["higher_is_better"]
    run.write_json("results.json", results)
    table = read_table(tmp_path)
    assert table.higher_is_better["bits_per_char"] is False
    assert table.higher_is_better["accuracy"] is True


@pytest.mark.parametrize(
    ("status", "card", "message"),
    [
        ("running", {}, "unfinished: it was killed, or is still training"),
        ("interrupted", {}, "interrupted: at update 40"),
        ("diverged", {"reason": "the loss is nan"}, "diverged: the loss is nan"),
    ],
)
def test_a_run_without_results_is_a_failure_with_its_reason(tmp_path, status, card, message):
    fabricate(tmp_path, {"seed": 0}, status=status, **card)
    (record,) = read_table(tmp_path).records
    assert record.failure == message
    assert record.scores == {}


def test_a_failure_file_and_its_run_are_one_record(tmp_path):
    run = fabricate(tmp_path, {"model": "elman", "seed": 0}, status="diverged")
    fail(tmp_path, run.path.name, "model=elman seed=0", "diverged", "the loss is nan at 7")
    fail(tmp_path, "0123", "model=big seed=1", "refused", "model must be small")
    assert {key: r.failure for key, r in by_settings(read_table(tmp_path)).items()} == {
        ("elman", 0): "diverged: the loss is nan at 7",
        ("big", 1): "refused: model must be small",
    }


def test_settings_of_a_job_without_run_and_some_overrides_are_unknown(tmp_path):
    for delay in (1, 2):
        fabricate(tmp_path, {"task.delay": delay})
    fail(tmp_path, "0123", "model=gru", "refused", "no")
    assert [r.has_settings for r in read_table(tmp_path).records] == [True, True, False]


def test_a_finished_run_is_no_failure_despite_its_failure_file(tmp_path):
    run = fabricate(tmp_path, {"seed": 0})
    fail(tmp_path, run.path.name, "seed=0", "failed", "RuntimeError: no memory")
    assert [record.failure for record in read_table(tmp_path).records] == [None]


def test_damaged_runs_are_failures_and_the_others_are_read(tmp_path):
    for seed in range(4):
        fabricate(tmp_path, {"seed": seed}, name=f"run{seed}")
    (tmp_path / "run0" / "results.json").write_text("{")
    (tmp_path / "run1" / "config.yaml").write_text("a: [")
    (tmp_path / "run2" / "run.json").write_text("[]")
    (tmp_path / "failures").mkdir()
    (tmp_path / "failures" / "x.json").write_text(json.dumps({"status": "lost"}))
    records = {record.name: record for record in read_table(tmp_path).records}
    assert "results.json is damaged" in records["run0"].failure
    assert "config.yaml can't be read" in records["run1"].failure
    assert records["run1"].settings == {"seed": 1}
    assert "run.json is damaged" in records["run2"].failure
    assert records["run3"].failure is None
    assert records["failures/x.json"].failure == (
        "failures/x.json is damaged: overrides is missing"
    )
    assert not records["failures/x.json"].has_settings


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("results.json", {"test": {"loss": 10**400, "accuracy": "high"}, "floor": [1]}),
        ("results.json", {"test": [1, 2]}),
        ("run.json", {"status": "failed", "sessions": "none", "git": "abc", "versions": [1]}),
        ("run.json", {"status": "finished", "overrides": 5}),
        ("run.json", {"status": ["finished"], "started": {}, "seconds": "long"}),
    ],
)
def test_malformed_files_do_not_affect_other_runs(tmp_path, name, content):
    run = fabricate(tmp_path, {"seed": 0})
    fabricate(tmp_path, {"seed": 1})
    run.file(name).write_text(json.dumps(content), encoding="utf-8")
    table = read_table(tmp_path)
    scored = ["test/loss" in record.scores for record in table.records]
    assert sorted(scored) == [False, True]


def test_of_two_runs_of_the_same_settings_the_later_finished_one_counts(tmp_path):
    for loss, started in ((1.0, "2026-01-01"), (3.0, "2026-01-03"), (2.0, "2026-01-02")):
        fabricate(tmp_path, {"seed": 0}, {"loss": loss}, name=started, started=started)
    fabricate(tmp_path, {"seed": 0}, status="failed", name="z", started="2026-01-04")
    table = read_table(tmp_path)
    assert [record.scores["test/loss"] for record in table.records] == [3.0]
    assert table.remarks[0].startswith("3 runs are left out")


def test_runs_are_found_at_any_depth_and_nothing_else_is(tmp_path):
    fabricate(tmp_path / "copy" / "elman", {"seed": 0}, name="run")
    fabricate(tmp_path, {"seed": 1}, name=".run.part")
    fabricate(tmp_path / "copy" / "elman" / "run", {"seed": 2}, name="inner")
    (tmp_path / "round").symlink_to(tmp_path)
    assert [record.name for record in read_table(tmp_path).records] == ["copy/elman/run"]


def test_runs_of_different_code_are_remarked_on(tmp_path):
    for seed, commit in enumerate("ab"):
        fabricate(tmp_path, {"seed": seed}, git={"commit": commit}, device="cpu")
    assert read_table(tmp_path).remarks == ["the runs come from 2 commits of rnnlab"]


def test_a_directory_without_runs_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="there is none"):
        read_table(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="holds no runs"):
        read_table(tmp_path)
    run = fabricate(tmp_path, {"seed": 0})
    with pytest.raises(ConfigError, match="is a run: give the directory that holds it"):
        read_table(run.path)
