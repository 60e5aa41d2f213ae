"""Global state is restored after training, and threads train one after the other."""

import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

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
from tests.small_runs import tiny

DROPOUT = ["model.dropout=0.3", "model.num_layers=2"]


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
        "levels": [logging.getLogger(name).level for name in ("", "lightning.pytorch", "hydra")],
        "handlers": list(logging.getLogger().handlers),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
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


def test_training_resuming_and_loading_restore_global_state(tmp_path, unchanged):
    words = tiny(tmp_path, *DROPOUT)
    rnnlab.train(words)  # imports what it needs, and some of that filters warnings
    run = unchanged(lambda: rnnlab.train(words))
    assert len(unchanged(lambda: rnnlab.load(run.path).model.state_dict())) > 0
    more = ["trainer.max_steps=6", "trainer.deterministic=true"]
    assert unchanged(lambda: rnnlab.resume(run.path, more)).results["steps"] == 6

    def refused() -> None:
        with pytest.raises(ConfigError, match="did you mean model"):
            rnnlab.train([*words, "modle=gru"])

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
