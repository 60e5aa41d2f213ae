"""A run that was stopped and resumed ends as if it had never stopped, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.compat.proto.event_pb2 import Event

import rnnlab
from rnnlab.errors import ConfigError, Interrupted
from rnnlab.files import checkpoint
from rnnlab.runs.records import framed, unframed
from rnnlab.runs.run import Run
from rnnlab.training.module import SequenceModule
from tests.calls import PATIENCE
from tests.dear import dear_but
from tests.same import assert_same, curves, differences
from tests.small_runs import SMALL, tiny, tiny_text

LONG = ["trainer.max_steps=12", "trainer.val_every=4", "trainer.log_every=3"]
KINDS = {
    "plain": [],
    "dropout": ["model.num_layers=2", "model.dropout=0.4"],
    "finite_set": ["data.train_size=10"],
    "curriculum": ["curriculum=linear", "data.curriculum.end=6", "data.curriculum.steps=10"],
    "accumulate": ["trainer.accumulate=3"],
    "cosine": ["scheduler=cosine", "scheduler.warmup_steps=3"],
    "plateau": ["scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.3"],
    "patience": ["trainer.patience=1", "optimizer.lr=0.5", "trainer.max_steps=40"],
    "momentum": ["optimizer=sgd", "optimizer.momentum=0.9"],
    "lbfgs": ["optimizer=lbfgs", "trainer.clip_norm=null"],
    "doubles": ["trainer.precision=64-true"],
    "half": ["trainer.precision=bf16-mixed"],
    "saved_often": ["trainer.save_every=1"],
    "watched": ["watch=full", "watch_every=1"],
}
QUICK = ("plain", "dropout", "curriculum", "accumulate", "plateau", "watched")


@pytest.fixture(name="stop")
def _stop() -> Iterator[list[int]]:
    with stopping() as steps:
        yield steps


@contextmanager
def stopping() -> Iterator[list[int]]:
    """Give a list to put the updates in during which Ctrl-C is pressed."""
    steps: list[int] = []
    step = SequenceModule.training_step

    def stopped(module: SequenceModule, batch: Any, index: int) -> Any:
        if module.global_step in steps:
            steps.remove(module.global_step)
            signal.raise_signal(signal.SIGINT)
        return step(module, batch, index)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SequenceModule, "training_step", stopped)
        yield steps
    signal.signal(signal.SIGINT, handler)


def interrupted(words: list[str], out: Path) -> Run:
    with pytest.raises(Interrupted, match="go on with: rnnlab-train resume="):
        rnnlab.train(words)
    (path,) = out.glob("*/*/*")
    return Run.load(path)


def stopped_and_resumed(words: Callable[[Path], list[str]], out: Path, stop: list[int]) -> Run:
    """Train whole, and train stopped twice; all must be the same."""
    whole = rnnlab.train(words(out / "whole"))
    stop += [1, 6]
    run = interrupted(words(out / "parts"), out / "parts")
    assert run.card["status"] == "interrupted"
    with pytest.raises(Interrupted):
        rnnlab.resume(run.path)
    assert_same(rnnlab.resume(run.path), whole)
    return run


@pytest.mark.parametrize("words", [tiny, pytest.param(tiny_text, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("kind", dear_but(QUICK, KINDS))
def test_a_run_stopped_and_resumed_is_the_run_that_was_never_stopped(tmp_path, stop, kind, words):
    if words is tiny_text and kind in ("finite_set", "curriculum"):
        pytest.skip("not with a text")
    run = stopped_and_resumed(lambda out: words(out, *LONG, *KINDS[kind]), tmp_path, stop)
    assert [session["first_step"] for session in run.card["sessions"]] == [0, 2, 7]


def _rewrite(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda path: path.write_text(change(path.read_text()))


CURVES = {
    "garbage": lambda path: path.write_bytes(bytes(range(256))),
    "flipped": _rewrite(lambda text: text.replace("0.003", "0.005")),
    "empty": lambda path: path.write_text(""),
    "cut": _rewrite(lambda text: text[: text.rstrip().rindex("\n") + 1]),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", CURVES)
def test_a_damaged_curve_is_written_anew_from_the_checkpoint(tmp_path, stop, capsys, kind, whole):
    stop.append(6)
    run = interrupted(tiny(tmp_path / "parts", *LONG), tmp_path / "parts")
    CURVES[kind](run.path / "metrics.csv")
    capsys.readouterr()
    assert_same(rnnlab.resume(run.path), whole)
    said = [line for line in capsys.readouterr().err.splitlines() if "metrics.csv" in line]
    assert len(said) == 1
    assert "written anew from the checkpoint" in said[0]


def _state(run: Run) -> dict[str, bytes]:
    files = (path for path in run.path.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files if path.name != ".lock"}


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_curve_that_cannot_be_replaced_is_refused_before_anything_changes(tmp_path, stop, make):
    stop.append(6)
    run = interrupted(tiny(tmp_path, *LONG), tmp_path)
    (run.path / "metrics.csv").unlink()
    before = _state(run)
    make(run.path / "metrics.csv")
    with pytest.raises(ConfigError, match=r"metrics\.csv"):
        rnnlab.resume(run.path)
    (run.path / "metrics.csv").unlink() if make is not Path.mkdir else (
        run.path / "metrics.csv"
    ).rmdir()
    assert _state(run) == before
    assert rnnlab.resume(run.path).is_finished


def _steps(run: Run) -> list[int]:
    return [step for step, _ in curves(run.path)["train/loss"]]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["gone", "cut", "flipped"])
def test_events_that_are_missing_are_counted_and_the_rest_is_kept(tmp_path, stop, capsys, kind):
    stop.append(10)
    run = interrupted(tiny(tmp_path, *LONG, "trainer.log_every=1"), tmp_path)
    assert len(_steps(run)) == 11
    (events,) = run.path.glob("*tfevents*")
    data = events.read_bytes()
    if kind == "gone":
        events.unlink()
    elif kind == "cut":
        events.write_bytes(framed(unframed(data)[0][:-3]))
    else:
        events.write_bytes(data[: len(data) // 2] + b"?" + data[len(data) // 2 + 1 :])
    capsys.readouterr()
    done = rnnlab.resume(run.path)
    said = capsys.readouterr().err
    assert "are missing; metrics.csv has all scalars" in said
    assert ("damaged in 1 places" in said) == (kind == "flipped")
    assert len(done.rows) == 12
    assert len(_steps(done)) == {"gone": 1}.get(kind, len(_steps(done)))
    assert _steps(done)[-1] == 12


def test_events_are_in_order_though_the_clock_was_set_back(tmp_path, stop, monkeypatch):
    stop.append(6)
    run = interrupted(tiny(tmp_path, *LONG), tmp_path)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() - 1e6)
    rnnlab.resume(run.path)
    files = sorted(run.path.glob("*tfevents*"))
    assert len(files) == 2
    found = [Event.FromString(r) for file in files for r in unframed(file.read_bytes())[0]]
    scalars = [e for e in found if any(v.tag == "train/loss" for v in e.summary.value)]
    assert [e.step for e in scalars] == sorted(e.step for e in scalars)
    assert [e.wall_time for e in scalars] == sorted(e.wall_time for e in scalars)


PAIRS = {
    "seq2seq": ["model=seq2seq", "model/teacher_forcing=linear", "model.teacher_forcing.steps=10"],
    "attention": ["model=seq2seq", "model.attention=dot", "task=translation"],
    "jordan": ["model=jordan", "task=addition", "data.train_size=40"],
    "ar_ffn": ["model=ar_ffn", "task=oscillation", "task.eval_periods=1"],
}


@pytest.mark.thorough
@pytest.mark.parametrize("pair", PAIRS)
def test_so_it_is_with_other_models_and_tasks(tmp_path, stop, pair):
    words = [*SMALL, *LONG, *PAIRS[pair]]
    stopped_and_resumed(lambda out: [*words, f"output_dir={out}"], tmp_path, stop)


@pytest.mark.thorough
@pytest.mark.parametrize("model", ["ar", "ar_ffn", "elman"])
def test_what_was_seen_before_a_stop_is_drawn_after_it(tmp_path, stop, model):
    watched = ["watch=full", "watch_every=7", "trainer.save_every=1", "trainer.val_every=10"]
    words = [*SMALL, *LONG, *watched, f"model={model}", "task=oscillation", "task.eval_periods=1"]
    whole = rnnlab.train([*words, f"output_dir={tmp_path / 'whole'}"])
    stop.append(8)
    run = interrupted([*words, f"output_dir={tmp_path / 'parts'}"], tmp_path / "parts")
    assert_same(rnnlab.resume(run.path), whole)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", ["elman", "lstm", "gru"])
def test_so_it_is_on_a_gpu_with_deterministic_algorithms(tmp_path, stop, model):
    words = [f"model={model}", "task=copy", "task.length=3", *SMALL, *LONG, "trainer=gpu"]
    words += ["trainer.deterministic=true", "model.num_layers=2", "model.dropout=0.4"]
    stopped_and_resumed(lambda out: [*words, f"output_dir={out}"], tmp_path, stop)


@pytest.mark.slow
def test_two_ddp_processes_stopped_by_a_signal_resume_as_if_they_had_not(tmp_path):
    """The signal reaches the first alone; dropout differs between the two."""
    words = ["model.num_layers=2", "model.dropout=0.3", "trainer=ddp", "trainer.accelerator=cpu"]
    words += ["trainer.max_steps=60", "trainer.val_every=10", "trainer.log_every=7"]

    def begin(*words: str) -> subprocess.Popen[bytes]:
        script = Path(__file__).parents[2] / "scripts/train.py"
        return subprocess.Popen([sys.executable, str(script), *words])

    assert begin(*tiny(tmp_path / "whole", *words)).wait(timeout=PATIENCE) == 0
    process = begin(*tiny(tmp_path / "parts", *words))
    while not list(tmp_path.glob("parts/*/*/*/checkpoints/last.ckpt")):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 143
    (parts,), (whole,) = (list(tmp_path.glob(f"{name}/*/*/*")) for name in ("parts", "whole"))
    assert begin(f"resume={parts}").wait(timeout=PATIENCE) == 0
    assert_same(Run.load(parts), Run.load(whole))
    assert 0 < Run.load(parts).card["sessions"][1]["first_step"] < 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of twelve updates."""
    return rnnlab.train(tiny(tmp_path_factory.mktemp("whole"), *LONG))


@pytest.fixture(scope="module")
def first_half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the output of `half`, to be copied."""
    out = tmp_path_factory.mktemp("parts")
    with stopping() as stop:
        stop.append(9)
        interrupted(tiny(out, *LONG), out)
    return out


@pytest.fixture
def half(tmp_path: Path, first_half: Path) -> Run:
    """A run of twelve updates, stopped after ten of them; checkpoints are of 8 and 10."""
    (path,) = shutil.copytree(first_half, tmp_path / "parts").glob("*/*/*")
    return Run.load(path)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(half, whole, capsys):
    damage(half.path / "checkpoints/last.ckpt")
    capsys.readouterr()
    assert_same(rnnlab.resume(half.path), whole)
    first = capsys.readouterr().err.splitlines()[0]
    assert "checkpoints/last.ckpt can't be read as a checkpoint: its checksum is wrong" in first
    assert first.endswith(": going on from update 8")


@pytest.mark.parametrize(("made", "whose"), [(None, "an earlier"), (99, "a later")])
def test_a_run_of_another_format_is_refused_in_one_line(half, made, whose):
    card = {key: value for key, value in half.card.items() if key != "format"}
    half.write_json("run.json", card | ({"format": made} if made else {}))
    before = snapshot(half.path)
    uses = (
        rnnlab.resume,
        lambda path: rnnlab.load(path).model,
        lambda path: rnnlab.load(path).open([]),
    )
    for use in uses:
        with pytest.raises(ConfigError, match=f"was written by {whose} version of rnnlab") as said:
            use(half.path)
        assert "\n" not in str(said.value)
    assert snapshot(half.path) == before


@pytest.mark.thorough
@pytest.mark.parametrize("lost", ["last.ckpt", "best.ckpt"])
def test_a_checkpoint_that_is_gone_is_done_without(half, whole, lost):
    (half.path / "checkpoints" / lost).unlink()
    assert_same(rnnlab.resume(half.path), whole)


def test_without_a_whole_checkpoint_nothing_is_done_and_each_is_named(half):
    for name in ("last.ckpt", "previous.ckpt"):
        damage(half.path / "checkpoints" / name)
    before = snapshot(half.path)
    with pytest.raises(ConfigError, match=r"last\.ckpt can't(.|\n)*previous\.ckpt can't"):
        rnnlab.resume(half.path)
    assert snapshot(half.path) == before


@pytest.mark.parametrize("part", ["processes", "optimizer_states", "best", "callbacks"])
def test_a_checkpoint_that_somebody_made_up_is_refused(half, part):
    path = half.path / "checkpoints/last.ckpt"
    checkpoint.write(path, checkpoint.read(path) | {part: "nonsense"})
    with pytest.raises(ConfigError, match=r"last\.ckpt holds something else"):
        rnnlab.resume(half.path)


def snapshot(path: Path) -> dict[str, bytes]:
    return {
        str(file): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


def test_a_run_killed_before_its_first_checkpoint_begins_again(half, whole):
    shutil.rmtree(half.path / "checkpoints")
    (half.path / "run.json").unlink()
    assert_same(rnnlab.resume(half.path), whole)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.cell.hidden_size=9"], ["model.cell.hidden_size: the checkpoint has 8, got 9"]),
        (["task.delay=2", "seed=1"], ["task.delay: the checkpoint has 1, got 2", "seed: "]),
        (["optimizer.lr=0.1"], ["optimizer.lr"]),
        (["data.batch_size=8"], ["data.batch_size"]),
        (["model=gru"], ["model=gru is not what the run has: model=elman"]),
        (["task.dely=2"], ["did you mean task.delay?"]),
        (["trainer.max_steps=9"], ["trainer.max_steps must be 10 or more, the updates done"]),
        (["trainer.max_steps=0"], ["trainer.max_steps must be 1 or more, got 0"]),
    ],
)
def test_another_run_cannot_be_made_of_one(half, words, said):
    before = snapshot(half.path)
    with pytest.raises(ConfigError) as error:
        rnnlab.resume(half.path, words)
    assert all(text in str(error.value) for text in said)
    assert snapshot(half.path) == before


def test_a_config_that_was_edited_is_refused_by_its_keys(half):
    path = half.path / "config.yaml"
    path.write_text(path.read_text().replace("hidden_size: 8", "hidden_size: 16"))
    with pytest.raises(ConfigError, match=r"can't change model\.cell\.hidden_size"):
        rnnlab.resume(half.path)


def test_a_text_that_was_edited_is_refused(tmp_path, stop):
    stop.append(9)
    run = interrupted(tiny_text(tmp_path / "parts", *LONG), tmp_path / "parts")
    text = tmp_path / "parts/text.txt"
    text.write_text(text.read_text().replace("dog", "fox"))
    with pytest.raises(ConfigError, match=r"holds something else than what the run learnt"):
        rnnlab.resume(run.path)


def test_the_overrides_that_began_a_run_may_be_given_again(tmp_path, stop):
    stop.append(6)
    run = interrupted(words := tiny(tmp_path, *LONG), tmp_path)
    assert rnnlab.resume(run.path, [*words, "trainer.patience=5"]).card["status"] == "finished"
    assert Run.load(run.path).config.trainer.patience == 5


def test_a_finished_run_is_resumed_with_a_larger_budget_and_only_then(tmp_path):
    whole = rnnlab.train(tiny(tmp_path / "whole", *LONG, "trainer.max_steps=24"))
    run = rnnlab.train(tiny(tmp_path / "parts", *LONG))
    before = snapshot(run.path)
    assert rnnlab.resume(run.path).path == run.path
    assert snapshot(run.path) == before
    assert_same(rnnlab.resume(run.path, ["trainer.max_steps=24"]), whole)
    assert rnnlab.load(str(run.path)).config.trainer.max_steps == 24


def test_the_best_of_a_longer_run_is_of_its_own_history(tmp_path, stop):
    # The best weights stand in the checkpoint: what was written after it doesn't count.
    stop.append(5)
    run = interrupted(tiny(tmp_path, *LONG), tmp_path)
    known = checkpoint.read(run.path / "checkpoints/last.ckpt")["best"]["weights"]
    other = checkpoint.read(run.path / "checkpoints/last.ckpt")
    checkpoint.write(
        run.path / "checkpoints/best.ckpt",
        {"state_dict": other["state_dict"], "global_step": 99},
    )
    stop.append(6)
    with pytest.raises(Interrupted):
        rnnlab.resume(run.path)
    assert differences(checkpoint.read(run.path / "checkpoints/best.ckpt"), known) == []


@pytest.mark.thorough
def test_a_transformers_cache_is_resumed(tmp_path):
    small = ["model.hidden_size=8", "model.num_heads=2", "model.context=12"]
    text = [word for word in tiny_text(tmp_path) if not word.startswith("model")]
    words = ["model=transformer", *small, "model.positions=learned", *text]
    whole = rnnlab.train([*words, "trainer.max_steps=6"])
    more = rnnlab.resume(rnnlab.train(words).path, ["trainer.max_steps=6"])
    assert_same(more, whole)


def test_init_from_takes_the_best_weights_and_nothing_else(tmp_path):
    old = rnnlab.train(tiny(tmp_path / "old", *LONG))
    words = tiny(tmp_path / "new", "optimizer.lr=1e-20", "seed=5", f"init_from={old.path}")
    new = rnnlab.train(words)
    for name, value in old.model.state_dict().items():
        torch.testing.assert_close(new.model.state_dict()[name], value)
    assert [row["step"] for row in new.rows] == [1, 2, 3, 4]
    assert new.config.init_from == str(old.path)


def test_init_from_must_be_a_run_whose_weights_fit(tmp_path):
    old = rnnlab.train(tiny(tmp_path / "old"))
    with pytest.raises(ConfigError, match="init_from must be the directory of a run"):
        rnnlab.train(tiny(tmp_path / "new", "init_from=nowhere"))
    with pytest.raises(ConfigError, match=r"init_from: model.cell.hidden_size=9 doesn't fit"):
        rnnlab.train(tiny(tmp_path / "new", "model.cell.hidden_size=9", f"init_from={old.path}"))
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_is_written_when_its_time_has_come(tmp_path, monkeypatch):
    saved = []
    write = checkpoint.write
    monkeypatch.setattr(
        checkpoint,
        "write",
        lambda path, content, **keep: (
            saved.append((path.name, content["global_step"])),
            write(path, content, **keep),
        ),
    )
    words = ["trainer.max_steps=6", "trainer.val_every=6"]
    rnnlab.train(tiny(tmp_path, *words, "trainer.save_minutes=1e-9"))
    assert [step for name, step in saved if name == "last.ckpt"] == [1, 2, 3, 4, 5, 6]
    saved.clear()
    rnnlab.train(tiny(tmp_path, *words, "trainer.save_every=4"))
    assert [step for name, step in saved if name == "last.ckpt"] == [4, 6]
    saved.clear()
    rnnlab.train(tiny(tmp_path, *words, "trainer.save_minutes=null"))
    assert [step for name, step in saved if name == "last.ckpt"] == [6]
