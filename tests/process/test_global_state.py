"""Global state is as before after every function and command; threads train one after another."""

import logging
import os
import random
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hydra import initialize
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import rnnlab
from rnnlab.cli import evaluate, sample, train
from rnnlab.config.sources import VERSION
from rnnlab.errors import ConfigError
from rnnlab.process.arithmetic import flushes_denormals
from rnnlab.runs.run import Run
from tests.small_runs import ELMAN, SMALL, tiny

DROPOUT = ["model.dropout=0.3", "model.num_layers=2"]


def loggers() -> list[logging.Logger]:
    """The root logger, and those of libraries that are used here."""
    return [logging.getLogger(name) for name in ("", "lightning.pytorch", "hydra", "matplotlib")]


def of_process() -> dict[str, Any]:
    """What a caller may rely on to stay as it is."""
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": repr(np.random.get_state()),  # noqa: NPY002
        "python": random.getstate(),
        "threads": torch.get_num_threads(),
        "denormals": flushes_denormals(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "warnings": list(warnings.filters),
        "loggers": {each.name: (each.level, list(each.handlers)) for each in loggers()},
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "environment": dict(os.environ),
        "words": list(sys.argv),
        "place": os.getcwd(),
        "hydra": id(GlobalHydra.instance().hydra),
        "hydra_config": id(HydraConfig.instance().cfg),
    }


@pytest.fixture
def unchanged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call something in a process that has its own Hydra and threads; nothing of it may change."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    threads = torch.get_num_threads()

    def call(what: Callable[[], Any]) -> Any:
        torch.set_num_threads(2)
        with initialize(config_path=None, **VERSION):
            before = of_process()
            try:
                return what()
            finally:
                for name, value in of_process().items():
                    assert value == before[name], name

    yield call
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run in `one` and a sweep of two in `sweeps/s`."""
    place = tmp_path_factory.mktemp("made")
    rnnlab.train(tiny(place, *DROPOUT)).path.rename(place / "one")
    rnnlab.sweep(tiny(place), seed=[0, 1], sweep_name="s")
    return place


class Place(NamedTuple):
    """A run, a sweep, and a directory for new ones."""

    run: Path
    sweep: Path
    new: Path


ENTRY = """# A net of 8 units keeps nothing.
citation: none
protocol: qualitative
differs: null
minutes: 0.1
seeds: 1
words: {words}
jobs: {{small: ""}}
smoke: ""
full: ""
claims: [{{what: accuracy, job: small, measure: test/accuracy, must: "0 to 1", least: 1}}]
controls: [{{what: loss, job: small, measure: test/loss, must: "> 0", least: 1}}]
"""


def gallery(place: Path) -> dict[str, Any]:
    """Where an entry `mine` is, and where its runs go."""
    (place / "reproduce").mkdir(parents=True)
    entry = ENTRY.format(words=" ".join(tiny(place)))
    (place / "reproduce" / "mine.yaml").write_text(entry)
    return {"config_dir": place, "output_dir": place}


CALLS: dict[str, tuple[Callable[[Place], Any], Callable[[Place], Any]]] = {
    "compose": (
        lambda at: rnnlab.compose(tiny(at.new)),
        lambda _: rnnlab.compose("modle=gru"),
    ),
    "train": (
        lambda at: rnnlab.train(tiny(at.new, *DROPOUT), {"trainer.deterministic": True}),
        lambda at: rnnlab.train(tiny(at.new), {"task.path": "nowhere"}, task="next_char"),
    ),
    "resume": (
        lambda at: rnnlab.resume(copied(at), {"trainer.max_steps": 6}),
        lambda at: rnnlab.resume(copied(at), {"trainer.max_steps": 1}),
    ),
    "load": (
        lambda at: rnnlab.load(at.run).model.state_dict(),
        lambda at: rnnlab.load(at.new),
    ),
    "evaluate": (
        lambda at: rnnlab.evaluate(at.run, "task.length=5 threads=2"),
        lambda at: rnnlab.evaluate(at.run, {"model.cell.hidden_size": 9}),
    ),
    "sample": (
        lambda at: rnnlab.sample(at.run, temperature=1.0),
        lambda at: rnnlab.sample(at.run, top_k=3),
    ),
    "predict": (
        lambda at: rnnlab.predict(adder(at.new), ["1+2"]),
        lambda at: rnnlab.predict(at.run, ["1+2"]),
    ),
    "export": (
        lambda at: rnnlab.export(at.run, "safetensors", at.new.with_suffix(".safetensors")),
        lambda at: rnnlab.export(at.new, "safetensors", at.new.with_suffix(".safetensors")),
    ),
    "find_runs": (
        lambda at: rnnlab.find_runs(at.sweep, seed=1),
        lambda at: rnnlab.find_runs(at.sweep, "seed"),
    ),
    "analyze": (
        lambda at: rnnlab.analyze(at.run, "lengths"),
        lambda at: rnnlab.analyze(at.run, "attention"),
    ),
    "sweep": (
        lambda at: rnnlab.sweep(tiny(at.new), seed=[0, 1], sweep_name="s"),
        lambda at: rnnlab.sweep(tiny(at.new), seed=["one", "two"]),
    ),
    "report": (
        lambda at: rnnlab.report(at.sweep),
        lambda at: rnnlab.report(at.sweep, metric="acuracy"),
    ),
    "reproduce": (
        lambda at: rnnlab.reproduce("mine", tier="smoke", **gallery(at.new)),
        lambda at: rnnlab.reproduce("yours", **gallery(at.new)),
    ),
}
"""Of each function a call that returns and one that raises."""


def adder(out: Path) -> Run:
    """Train a network that reads sums of other people too."""
    return rnnlab.train([*ELMAN, "task=addition", "task.length=2", *SMALL, f"output_dir={out}"])


def copied(at: Place) -> Path:
    return Path(shutil.copytree(at.run, at.new / "one"))


def test_every_function_is_held_to_it() -> None:
    functions = [name for name in rnnlab.__all__ if not isinstance(getattr(rnnlab, name), type)]
    assert sorted(CALLS) == sorted(functions)


DEAR = ("analyze", "reproduce", "sweep")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.thorough] * (name in DEAR)) for name in CALLS],
)
def test_a_function_leaves_the_process_as_it_was(made, tmp_path, unchanged, name):
    works, fails = CALLS[name]
    if name == "analyze":
        pytest.importorskip("matplotlib")
        pytest.importorskip("scipy")
    if name == "export":
        pytest.importorskip("safetensors")
    unchanged(lambda: works(Place(made / "one", made / "sweeps/s", tmp_path / "new")))

    def refused() -> None:
        with pytest.raises(ConfigError):
            fails(Place(made / "one", made / "sweeps/s", tmp_path / "refused"))

    unchanged(refused)


def test_a_run_is_the_same_whatever_its_caller_computes_in(tmp_path):
    words = tiny(tmp_path, *DROPOUT)
    plain = rnnlab.train(words)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            other = rnnlab.train(words)
            model = rnnlab.load(plain.path).model
    finally:
        torch.set_default_dtype(torch.float32)
    assert other.results == plain.results
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not any(parameter.is_inference() for parameter in model.parameters())


@pytest.mark.thorough
def test_commands_leave_the_process_as_it_was(tmp_path, unchanged, run_main, monkeypatch):
    words = tiny(tmp_path, *DROPOUT)
    run = rnnlab.train(words)
    for main, argv in (
        (train.main, words),
        (train.main, [*words, "dry_run=true"]),
        (train.main, ["-m", *words, "seed=1,2", "sweep_name=s"]),
        (train.main, [f"resume={run.path}", "trainer.max_steps=6"]),
        (evaluate.main, [f"run={run.path}"]),
        (sample.main, [f"run={run.path}"]),
    ):
        monkeypatch.setattr(sys, "argv", ["command", *argv])
        assert unchanged(lambda main=main, argv=argv: run_main(main, "command", *argv))[0] == 0


@pytest.mark.thorough
def test_four_threads_train_what_each_would_alone(tmp_path):
    words = [tiny(tmp_path, *DROPOUT, f"seed={seed}") for seed in range(4)]
    alone = [rnnlab.train(own).results for own in words]
    found: dict[int, Any] = {}

    def work(number: int) -> None:
        found[number] = rnnlab.train(words[number]).results

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [found.get(number) for number in range(4)] == alone
