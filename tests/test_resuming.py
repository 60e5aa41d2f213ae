"""A run that was stopped and goes on ends as if it had never stopped, bit for bit."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rnnlab
from rnnlab import checkpoint
from rnnlab.errors import Interrupted
from rnnlab.module import SequenceModule
from rnnlab.run import Run
from tests.runs import SMALL, tiny, tiny_text

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
}


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Every value that TensorBoard has, but of clocks, straight from the files."""
    found = EventAccumulator(str(path), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    found.Reload()
    return {
        tag: sorted((event.step, event.value) for event in found.Scalars(tag))
        for tag in sorted(found.Tags()["scalars"])
        if not tag.startswith("time/")
    }


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Compare trees of containers and tensors bit for bit; gives the paths to what differs."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [path]
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return [d for key in one for d in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, (list, tuple)) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [d for place, pair in pairs for d in differences(*pair, f"{path}/{place}")]
    return [] if one == other else [path]


def assert_same(one: Run, other: Run) -> None:
    """All that two runs leave is the same, but what clocks and names have in it."""
    for name in ("metrics.csv", "results.json", "samples.md"):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes(), name
    assert scalars(one.path) == scalars(other.path)
    for name in ("last", "best"):
        contents = [checkpoint.read(run.path / f"checkpoints/{name}.ckpt") for run in (one, other)]
        for content in contents:
            for varying in ("costs", "config"):  # of clocks, and of places
                content.pop(varying, None)
        assert differences(*contents) == [], name


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A list to put the updates in during which Ctrl-C is pressed."""
    steps: list[int] = []
    step = SequenceModule.training_step

    def stopped(module: SequenceModule, batch: Any, index: int) -> Any:
        if module.global_step in steps:
            steps.remove(module.global_step)
            signal.raise_signal(signal.SIGINT)
        return step(module, batch, index)

    monkeypatch.setattr(SequenceModule, "training_step", stopped)
    handler = signal.getsignal(signal.SIGINT)
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


@pytest.mark.parametrize("words", [tiny, tiny_text])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_stopped_and_resumed_is_the_run_that_was_never_stopped(tmp_path, stop, kind, words):
    if words is tiny_text and kind in ("finite_set", "curriculum"):
        pytest.skip("not with a text")
    run = stopped_and_resumed(lambda out: words(out, *LONG, *KINDS[kind]), tmp_path, stop)
    assert [session["first_step"] for session in run.card["sessions"]] == [0, 2, 7]


PAIRS = {
    "seq2seq": ["model=seq2seq", "model/teacher_forcing=linear", "model.teacher_forcing.steps=10"],
    "attention": ["model=seq2seq", "model.attention=dot", "task=translation"],
    "jordan": ["model=jordan", "task=addition", "data.train_size=40"],
    "ar_ffn": ["model=ar_ffn", "task=oscillation", "task.eval_periods=1"],
}


@pytest.mark.parametrize("pair", PAIRS)
def test_so_it_is_with_other_models_and_tasks(tmp_path, stop, pair):
    words = [*SMALL, *LONG, *PAIRS[pair]]
    stopped_and_resumed(lambda out: [*words, f"output_dir={out}"], tmp_path, stop)
