"""Options of training: grids, DDP, signals, external loggers, profiling, the user's own files."""

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rnnlab
from rnnlab.cli.train import main
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.runs.run import Run
from rnnlab.runs.summary import summarize
from rnnlab.training.callbacks import Telemetry
from rnnlab.training.timings import timings
from tests.calls import PATIENCE
from tests.small_runs import ELMAN, SMALL, tiny, tiny_text

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
SEQ2SEQ = ["model=seq2seq", "task=addition", "data.train_size=null"]


def train(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command in this process; gives its exit status."""
    monkeypatch.setattr(sys, "argv", ["rnnlab-train", *words])
    try:
        main()
    except SystemExit as end:
        return int(str(end.code))
    return 0


def runs(out: Path) -> list[Run]:
    return [Run.load(path.parent) for path in sorted(out.glob("*/*/*/config.yaml"))]


def test_two_processes_train_as_one_and_write_one_run(tmp_path):
    """Of five sequences to validate on the one takes three; sentences are of unlike lengths."""
    task = [*ELMAN, *SMALL, "task=translation", "data.val_size=5", "trainer.accumulate=2"]
    one = rnnlab.train([*task, f"output_dir={tmp_path}/one"])
    words = [*task, f"output_dir={tmp_path}/two", "trainer=ddp", "trainer.accelerator=cpu"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "train.py"), *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    (two,) = runs(tmp_path / "two")
    assert done.stdout.splitlines()[-1] == str(two.path)
    assert done.stdout.count("to sample more") == 1
    assert two.results["test"] == pytest.approx(one.results["test"], abs=1e-5)
    for row, other in zip(one.rows, two.rows, strict=True):
        assert other == pytest.approx(row, abs=1e-5)  # a mean over two halves, in float32


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-m", "model=gru,lsmt"], "model=lsmt doesn't exist: did you mean lstm?"),
        (["-m", "model=gru,ar", "sead=1"], "sead is not a setting: did you mean seed?"),
        (["seed=0,1"], "seed=0,1 names several values: add -m"),
        (["sead=1", "--cfg", "job"], "sead is not a setting"),
        (["model/teacher_forcing=linear"], "model/teacher_forcing can't be chosen"),
        (["monitor=~a"], """stands in quotes: 'monitor="~a"'"""),
    ],
)
def test_a_slip_of_the_keyboard_is_one_clear_line(words, said, monkeypatch, capsys):
    assert train(monkeypatch, *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_sigterm_is_status_143_and_the_run_card_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Telemetry, "_log", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert train(monkeypatch, *tiny(tmp_path)) == 143
    (run,) = runs(tmp_path)
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"rnnlab-train: terminated, saved at update 1; go on with: rnnlab-train resume={run.path}"
    )
    assert run.card["status"] == "interrupted"


def test_an_interrupt_of_the_final_scores_is_recorded_too(tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rnnlab.training.train.write_results", stop)
    with pytest.raises(KeyboardInterrupt):
        rnnlab.train(tiny(tmp_path))
    (run,) = runs(tmp_path)
    assert run.card["status"] == "interrupted"


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_service_is_refused_before_anything_is_written(tmp_path, name):
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    with pytest.raises(ConfigError, match=rf"pip install 'rnnlab\[{name}\]'"):
        rnnlab.train(tiny(tmp_path, f"logger={name}"))
    assert not list(tmp_path.iterdir())


def test_tensorboard_has_one_file_with_training_and_the_last_scores(tmp_path):
    run = rnnlab.train(tiny(tmp_path))
    assert len(list(run.path.glob("events.*"))) == 1
    assert not (run.path / "hparams.yaml").exists()
    scalars = EventAccumulator(str(run.path)).Reload().Tags()["scalars"]
    assert {"train/loss", "val/loss", "with_best_weights/test_loss"} <= set(scalars)


def test_a_profile_ends_in_a_table(tmp_path):
    run = rnnlab.train(tiny(tmp_path, "trainer.profile=true"))
    assert "SequenceModule.optimizer_step\n" in summarize(run)


def test_timings_begin_with_what_took_longest_without_the_kind_of_thing():
    durations = {"[Callback]Stop{'monitor': 1}.setup": [0.5], "step": [1.0, 2.0]}
    _, first, second = timings(durations, seconds=10.0)
    assert first.split() == ["30.0%", "3.000", "2", "1500.000", "step"]
    assert second.split() == ["5.0%", "0.500", "1", "500.000", "Stop.setup"]


@pytest.mark.parametrize("name", ["constant", "linear", "exponential", "inverse_sigmoid"])
def test_every_schedule_of_scheduled_sampling_is_chosen_by_name(tmp_path, name):
    small = ["model.encoder.cell.hidden_size=8", "model.decoder.cell.hidden_size=8"]
    words = [*SEQ2SEQ, *small, *SMALL, f"output_dir={tmp_path}"]
    run = rnnlab.train([*words, f"model/teacher_forcing={name}"])
    assert type(run.model.schedule).__name__.lower() == name.replace("_", "")


def test_a_curriculum_is_chosen_by_name():
    cfg = compose(["curriculum=linear", "data.curriculum.end=20"])
    assert cfg.data.curriculum.end == 20
    assert compose([]).data.curriculum is None


def test_a_text_read_in_order_takes_no_curriculum(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.curriculum must be null"):
        rnnlab.train(tiny_text(tmp_path, "curriculum=linear"))


def test_a_run_knows_its_text_from_any_directory(tmp_path, monkeypatch):
    words = [word for word in tiny_text(tmp_path) if not word.startswith(("task.path", "output"))]
    monkeypatch.chdir(tmp_path)
    run = rnnlab.train([*words, "task.path=text.txt"])
    monkeypatch.chdir("/")
    assert run.config.task.path == str(tmp_path / "text.txt")
    assert run.task.spec.input.size > 1


def test_a_text_changed_after_training_is_refused(tmp_path):
    run = rnnlab.train(tiny_text(tmp_path))
    text = (tmp_path / "text.txt").read_text(encoding="utf-8")
    # As many characters as before, and another meaning for the ids.
    (tmp_path / "text.txt").write_text(text.replace("d", "z"), encoding="utf-8")
    with pytest.raises(ConfigError, match="holds something else than what the run learnt"):
        rnnlab.load(str(run.path)).task.sample("test", 0, 2)
    (tmp_path / "other.txt").write_text(text, encoding="utf-8")
    rnnlab.load(str(run.path)).open([f"task.path={tmp_path / 'other.txt'}"])


def test_pairs_changed_after_training_are_refused(tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"w{i} a\tv{i} b\n" for i in range(60)), encoding="utf-8")
    words = ["task=translation", f"task.path={pairs}", "task.max_clauses=null", *SMALL]
    run = rnnlab.train(
        [*words, "model=elman", "model.cell.hidden_size=8", f"output_dir={tmp_path}"]
    )
    pairs.write_text(pairs.read_text(encoding="utf-8").replace("w3 ", "x3 "), encoding="utf-8")
    with pytest.raises(ConfigError, match="holds something else than what the run learnt"):
        run.open([]).task.sample("test", 0, 2)
