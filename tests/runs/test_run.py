"""A run directory is enough by itself; two runs of one second don't meet."""

import errno
import json
import subprocess
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import rnnlab
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.process import rank
from rnnlab.runs.run import Run
from tests.small_runs import tiny


@pytest.fixture
def run(tmp_path) -> Run:
    return Run.create(compose(tiny(tmp_path)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs")))


def test_a_directory_is_named_by_task_model_time_and_config(run, tmp_path):
    task, model, name = run.path.relative_to(tmp_path).parts
    assert (task, model) == ("copy", "elman")
    other = Run.create(compose(tiny(tmp_path, "seed=1")))
    assert other.path.name.rsplit("-", 1)[1] != name.rsplit("-", 1)[1]


def test_runs_of_one_second_have_their_own_directories(tmp_path):
    runs = [Run.create(compose(tiny(tmp_path))) for _ in range(3)]
    assert len({run.path for run in runs}) == 3


def test_the_card_opens_with_what_the_run_stands_on(run):
    run.begin(0, {"seed": 0, "threads": 1})
    card = run.card
    assert card["status"] == "running"
    assert card["seed"] == 0
    assert card["threads"] == 1
    assert {"rnnlab", "torch", "lightning", "hydra-core"} <= set(card["versions"])
    assert card["command"]
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    if head.returncode == 0:
        assert card["git"]["commit"] == head.stdout.strip()
        assert isinstance(card["git"]["dirty"], bool)


def test_the_card_has_every_session_and_the_last_ones_facts(run):
    run.begin(0, {"device": "cpu"})
    run.end("interrupted", 7, {"seconds": 1.23456})
    first = run.card
    assert (first["status"], first["seconds"]) == ("interrupted", 1.235)
    run.begin(7, {"device": "cuda:0"})
    assert (run.card["status"], run.card["started"]) == ("running", first["started"])
    run.end("finished", 9, {"seconds": 2.0})
    card = run.card
    assert (card["status"], card["seconds"], card["device"]) == ("finished", 2.0, "cuda:0")
    spans = [(s["first_step"], s["last_step"], s["status"]) for s in card["sessions"]]
    assert spans == [(0, 7, "interrupted"), (7, 9, "finished")]
    assert not list(run.path.glob("*.part"))


def test_a_session_without_a_recorded_end_was_killed(run):
    run.begin(0, {})
    run.begin(3, {})
    assert [session["status"] for session in run.card["sessions"]] == ["killed", "running"]


def test_a_run_is_trained_by_one_process_at_a_time(run):
    with run.locked(), pytest.raises(ConfigError, match="is being trained by another process"):
        Run(run.path).locked().__enter__()
    with run.locked():
        pass


@pytest.mark.parametrize("name", ["config.yaml", "checkpoints/best.ckpt", "figures/new.png"])
def test_nothing_in_a_run_leads_out_of_it(run, tmp_path, name):
    assert run.file(name) == run.path / name
    (tmp_path / "outside").mkdir()
    inside = run.path / Path(name).parts[0]
    inside.unlink(missing_ok=True)
    inside.symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match="leads out of its directory"):
        run.file(name)


def test_a_run_may_be_reached_through_a_link(run, tmp_path):
    (tmp_path / "latest").symlink_to(run.path)
    assert Run.load(tmp_path / "latest").config == run.config


def test_the_saved_config_is_resolved_and_the_same(run, tmp_path):
    text = (run.path / "config.yaml").read_text(encoding="utf-8")
    assert "${" not in text
    assert OmegaConf.create(text) == compose(tiny(tmp_path))
    assert Run.load(run.path).config == run.config


def test_lines_are_added(run):
    run.append_line("evaluations.jsonl", {"a": 1})
    run.append_line("evaluations.jsonl", {"b": "é"})
    lines = (run.path / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"b": "é"}]


def test_other_processes_of_one_training_write_where_the_first_does(run, tmp_path, monkeypatch):
    with rank.launching_ranks(run.path):
        monkeypatch.setenv("LOCAL_RANK", "1")
        monkeypatch.setattr(rank, "_RUN", rank._run_of_launch())
        assert Run.create(compose(tiny(tmp_path))).path == run.path.absolute()


def test_a_variable_of_the_users_shell_makes_no_launched_rank(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(rank, "_RUN", rank._run_of_launch())
    done = rnnlab.train(tiny(tmp_path))
    assert done.is_finished
    assert done.rows
    assert done.results
    assert list(done.path.glob("events*"))
    assert rank._run_of_launch() is None  # nothing of it is left for the next one in this process


@pytest.mark.parametrize("name", ["nothing", "file", "empty"])
def test_what_is_no_run_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="run must be the directory of a run"):
        Run.load(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        *("a: [", "- 3", "\0", "3", ""),
        *("a: 1\na: 2", "files: {}\n---\nfiles: {}", "files: {}\na: !!str 3", "[a]: 3"),
        "files: {}\na: " + 21 * "[" + 21 * "]",
    ],
)
def test_a_config_that_is_broken_is_refused(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml (can't be read|must hold a mapping)"):
        _ = Run.load(tmp_path).config


def test_a_run_that_did_not_get_far_says_so(run):
    with pytest.raises(ConfigError, match=r"results\.json is missing: the run didn't get so far"):
        _ = run.results
    with pytest.raises(ConfigError, match=r"best\.ckpt is missing"):
        _ = run.model


def test_a_directory_that_cannot_be_written_is_a_wrong_setting(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="output_dir must be a directory to write in"):
        Run.create(compose(tiny(tmp_path / "file")))


def test_a_disk_that_is_full_keeps_nothing_of_a_run(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rnnlab.runs.new_run.flush", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        Run.create(compose(tiny(tmp_path / "out")))
    assert [*tmp_path.iterdir()] == []


def test_a_run_opens_at_another_length_and_keeps_its_weights(trained):
    experiment = trained.open(["task.length=5", "data.test_size=4"])
    batch = next(iter(experiment.batches("test")))
    assert batch.mask[0].sum() == 5
    assert trained.config.task.length == 3
    for one, other in zip(experiment.model.parameters(), trained.model.parameters(), strict=True):
        assert one.equal(other)


def test_settings_that_do_not_fit_the_weights_are_refused(trained):
    with pytest.raises(ConfigError, match="the settings don't fit the weights"):
        trained.open(["model.cell.hidden_size=9"])
    with pytest.raises(ConfigError, match="task: its symbols or sizes are not those that the mod"):
        trained.open(["task.num_symbols=9"])
    with pytest.raises(ConfigError, match=r"task\.length must be 1 or more, got 0"):
        trained.open(["task.length=0"])


def test_a_checkpoint_that_is_none_is_refused(trained, tmp_path):
    copied = Run(tmp_path / "copied")
    (copied.path / "checkpoints").mkdir(parents=True)
    (copied.path / "config.yaml").write_bytes((trained.path / "config.yaml").read_bytes())
    (copied.path / "checkpoints" / "best.ckpt").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="can't be read as a checkpoint"):
        copied.open([])


def test_a_run_of_a_gpu_is_used_where_there_is_none(trained):
    assert trained.open(["trainer.accelerator=gpu", "trainer.devices=99"]).model is not None
