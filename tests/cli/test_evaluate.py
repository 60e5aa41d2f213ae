"""`rnnlab-evaluate`: other lengths, splits and checkpoints, from the directory alone."""

import json
import shutil

import pytest

import rnnlab
from rnnlab.cli.evaluate import main
from rnnlab.runs.run import Run
from tests.small_runs import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs")
    return rnnlab.train(tiny(out, "optimizer.lr=0.5", "trainer.max_steps=12"))


@pytest.fixture
def call(run_main, run):
    """Run the command here on the run; gives status, standard output and standard error."""

    def call(*words: str, where: str | None = None) -> tuple[int, str, str]:
        first = f"run={run.path}" if where is None else where
        return run_main(main, "rnnlab-evaluate", first, *words)

    return call


def last_line(run: Run) -> dict:
    lines = (run.path / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()
    return json.loads(lines[-1])


def test_the_test_split_has_the_scores_of_the_results(call, run):
    status, out, err = call()
    assert (status, err) == (0, "")
    found = last_line(run)
    assert found["metrics"] == run.results["test"]
    assert (found["split"], found["checkpoint"], found["overrides"]) == ("test", "best", [])
    heading, loss, *_ = out.splitlines()
    assert heading.split() == ["test", "floor"]
    assert loss.split() == ["loss", f"{run.results['test']['loss']:.4g}", "2.079"]


def test_another_split_and_checkpoint_are_scored(call, run):
    call("split=val")
    best = last_line(run)["metrics"]
    assert best == run.results["val"]
    call("split=val", "checkpoint=last")
    assert last_line(run)["metrics"]["loss"] != best["loss"]


def test_another_length_is_scored(call, run):
    status, _, _ = call("task.length=6", "data.test_size=4", "data.eval_batch_size=2")
    assert status == 0
    found = last_line(run)
    assert found["overrides"] == ["task.length=6", "data.test_size=4", "data.eval_batch_size=2"]
    longer = run.open(["task.length=6", "data.test_size=4", "data.eval_batch_size=2"])
    assert [batch.mask.sum().item() for batch in longer.batches("test")] == [12, 12]
    assert found["metrics"]["loss"] != run.results["test"]["loss"]


def test_threads_are_a_setting_of_any_use_of_a_run(call):
    assert call("threads=1")[0] == 0
    assert "threads must be 1 or more" in call("threads=0")[2]


def test_help_says_how(call):
    status, out, _ = call(where="--help")
    assert status == 0
    assert out.startswith("rnnlab-evaluate: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["split=train"], "split must be one of val or test, got 'train'"),
        (["checkpoint=first"], "checkpoint must be one of best or last, got 'first'"),
        (["tsk.length=3"], "did you mean task.length?"),
        (["task.lenght=3"], "did you mean task.length?"),
        (["task.length=0"], "task.length must be 1 or more, got 0"),
        (["task.length=1,2"], "must be KEY=VALUE with one value"),
        (["~task.length=1"], "must be KEY=VALUE with one value"),
        (["task.num_symbols=9"], "task: its symbols or sizes are not those"),
        (["model.cell.hidden_size=9"], "the settings don't fit the weights"),
        (["spilt=val"], "spilt is not a setting: did you mean split?"),
        (["seed=3"], "seed is not a setting"),
        (["optimizer.lr=1"], "optimizer.lr is a setting of training, and changes nothing here"),
        (["scheduler.warmup=1"], "scheduler.warmup is a setting of training"),
        (["data.batch_size=2"], "data.batch_size is a setting of training"),
        (["word"], "'word' can't be read as KEY=VALUE"),
    ],
)
def test_mistakes_are_status_2_in_one_line_and_add_nothing(call, run, words, said):
    path = run.path / "evaluations.jsonl"
    before = path.read_text() if path.exists() else None
    status, out, err = call(*words)
    assert status == 2
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1
    assert (path.read_text() if path.exists() else None) == before


@pytest.mark.parametrize("where", ["run=nowhere", "run=", "split=val"])
def test_a_run_that_is_none_is_refused(call, tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    status, _, err = call(where=where)
    assert status == 2
    assert err.startswith("rnnlab-evaluate: run")


def test_scores_are_printed_where_they_cannot_be_kept(call, run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    (copy / "evaluations.jsonl").unlink(missing_ok=True)
    (copy / "evaluations.jsonl").mkdir()
    status, out, err = call(where=f"run={copy}")
    assert (status, out) == (0, call()[1])
    assert err.startswith("rnnlab-evaluate: warning: ")
    assert len(err.splitlines()) == 1
