"""Threads and denormal numbers: set for a run's arithmetic, and as before afterwards."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

import rnnlab
from rnnlab.inference.evaluate import Evaluator
from rnnlab.process.arithmetic import arithmetic, flushes_denormals, openmp_parallel
from rnnlab.runs.run import Run
from rnnlab.training.module import SequenceModule
from tests.same import differences, saved
from tests.small_runs import tiny

MANY = 2**20  # numbers, of which each thread of torch's gets a share


def share_flushed(denormal: torch.Tensor) -> float:
    """The share of numbers that a product with 1 turns into 0, in all of torch's threads."""
    return float((denormal * 1.0).view(torch.int64).eq(0).double().mean())


@pytest.fixture
def denormal() -> torch.Tensor:
    assert not flushes_denormals()
    return torch.full((MANY,), 1e-310, dtype=torch.float64)


@pytest.mark.parametrize("threads", [1, 2])
def test_all_threads_flush_inside_and_none_afterwards(denormal, threads):
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor can't flush denormals")
    if threads > 1 and openmp_parallel() is None:
        pytest.skip("torch's threads can't be reached here")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert share_flushed(denormal) == 0  # and torch's threads have begun
        with arithmetic({"threads": threads, "flush_denormals": True}):
            assert share_flushed(denormal) == 1
            with arithmetic({"threads": 1}):  # of an old run
                assert not flushes_denormals()
                assert share_flushed(denormal) == 0
            assert flushes_denormals()
        assert share_flushed(denormal) == 0
    finally:
        torch.set_num_threads(before)


def test_threads_are_as_before_also_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), arithmetic({"threads": before + 1, "flush_denormals": True}):
        raise KeyError
    assert torch.get_num_threads() == before
    assert not flushes_denormals()


@pytest.mark.parametrize("flush", [True, False])
def test_a_run_trains_and_validates_as_its_setting_says(tmp_path, monkeypatch, flush):
    seen = []
    for owner, name in ((SequenceModule, "training_step"), (Evaluator, "update")):
        whole = getattr(owner, name)

        def looking(*args, name=name, whole=whole):
            seen.append((name, flushes_denormals()))
            return whole(*args)

        monkeypatch.setattr(owner, name, looking)
    run = rnnlab.train(tiny(tmp_path, f"flush_denormals={str(flush).lower()}"))
    assert {name for name, _ in seen} == {"training_step", "update"}
    assert {flushed for _, flushed in seen} == {flush}
    assert run.card["flush_denormals"] == flush
    assert not flushes_denormals()


def test_an_old_run_that_knows_no_denormals_goes_on_without_flushing(tmp_path):
    without = ["flush_denormals=false", "trainer.val_every=3"]
    unbroken = rnnlab.train(tiny(tmp_path, *without, "trainer.max_steps=6"))
    begun = rnnlab.train(tiny(tmp_path, *without, "trainer.max_steps=3"))
    forget(begun.path)
    old = Run.load(begun.path)
    assert "flush_denormals" not in old.config
    assert old.model is not None
    resumed = rnnlab.resume(begun.path, ["trainer.max_steps=6"])
    assert resumed.card["flush_denormals"] is False
    assert resumed.results == unbroken.results
    ends = [saved(run.path, "last.ckpt")["state_dict"] for run in (resumed, unbroken)]
    assert differences(*ends) == []


def forget(run: Path) -> None:
    """Remove the setting from all that a run has stored, as if it had been written before it."""
    file = run / "config.yaml"
    cfg = OmegaConf.load(file)
    del cfg["flush_denormals"]
    file.write_text(OmegaConf.to_yaml(cfg))
