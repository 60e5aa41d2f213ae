"""The short loop over batches: it does what Lightning's own does, bit for bit."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from torch.optim.optimizer import register_optimizer_step_pre_hook

import rnnlab
from rnnlab.config import packages
from rnnlab.files import checkpoint
from rnnlab.runs.run import Run
from rnnlab.training import epoch_loop, module
from rnnlab.training.epoch_loop import EpochLoop, use_short_loop
from rnnlab.training.optimizers import plain_step, take_fused_steps
from tests.dear import dear_but
from tests.same import assert_same
from tests.small_runs import tiny, tiny_text

MORE = ["trainer.max_steps=7", "trainer.val_every=3"]


def trained(words: list[str], monkeypatch: pytest.MonkeyPatch, short: bool) -> Run:
    """Train by one of the loops, and make sure that it is the one that ran."""
    ways = []
    whole = EpochLoop.advance

    def advance(self, data_fetcher):
        ways.append(self._short)
        whole(self, data_fetcher)

    with monkeypatch.context() as patch:
        patch.setattr(EpochLoop, "advance", advance)
        if not short:
            patch.setattr(epoch_loop, "_can_be_short", lambda _: False)
        run = rnnlab.train(words)
    assert set(ways) == {short}
    return run


KINDS = {
    "plain": [],
    "sgd": ["optimizer=sgd", "scheduler=cosine", "trainer.clip_norm=0.01"],
    "rmsprop": ["optimizer=rmsprop", "scheduler=plateau", "scheduler.patience=0"],
    "watched": ["optimizer=adamw", "trainer.precision=bf16-mixed", "watch=full", "watch_every=2"],
    "doubles": ["trainer.precision=64-true", "trainer.save_every=1", "trainer.clip_norm=null"],
    "dropout": [
        "model.num_layers=2",
        "model.dropout=0.5",
        "trainer.patience=1",
        "optimizer.lr=1e-20",
    ],
    "overfit": ["debug=overfit"],
}


@pytest.mark.parametrize("kind", dear_but(["sgd", "watched", "dropout"], KINDS))
def test_both_loops_leave_the_same(tmp_path, monkeypatch, kind):
    words = tiny(tmp_path, *MORE, *KINDS[kind])
    runs = [trained(words, monkeypatch, short) for short in (True, False)]
    assert_same(*runs)


def test_a_state_is_carried_by_both_loops(tmp_path, monkeypatch):
    words = tiny_text(tmp_path, *MORE)
    assert_same(*(trained(words, monkeypatch, short) for short in (True, False)))


def test_a_run_goes_on_by_the_other_loop(tmp_path, monkeypatch):
    unbroken = trained(tiny(tmp_path, *MORE), monkeypatch, short=True)
    first = trained(tiny(tmp_path, *MORE[1:], "trainer.max_steps=3"), monkeypatch, short=True)
    monkeypatch.setattr(epoch_loop, "_can_be_short", lambda _: False)
    assert_same(rnnlab.resume(first.path, MORE[:1]), unbroken)


@pytest.mark.parametrize(
    "more",
    [
        ["trainer.accumulate=2"],
        ["trainer.profile=true"],
        ["optimizer=lbfgs"],
        ["+callbacks.timer={_target_:lightning.pytorch.callbacks.LearningRateMonitor}"],
    ],
)
def test_what_asks_for_more_takes_lightnings_loop(tmp_path, monkeypatch, more):
    monkeypatch.setattr(packages, "_NAMED", {"lightning": None})
    words = tiny(tmp_path, "packages=[lightning]", *MORE, *more)
    trained(words, monkeypatch, short=False)


@pytest.mark.parametrize("more", [{}, {"weight_decay": 0.1, "maximize": True}])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop"])
def test_a_plain_step_is_the_optimizers(name, more):
    weights = []
    for plain in (False, True):
        parameter, other = (torch.nn.Parameter(torch.ones(size)) for size in ((3,), (5, 2)))
        optimizer = getattr(torch.optim, name)([parameter, other], lr=0.1, **more)
        take_fused_steps(optimizer)
        step = plain_step(optimizer) if plain else optimizer.step
        for slope in (None, 1.0, -2.0, 3.0, None, 0.5):
            parameter.grad = None if slope is None else torch.full((3,), slope)
            other.grad = torch.full((5, 2), 0.3)
            optimizer.param_groups[0]["lr"] *= 0.9
            step()
            if slope == -2.0:  # another state than that of the steps before
                optimizer.load_state_dict(deepcopy(optimizer.state_dict()))
        assert parameter.requires_grad
        weights.append(torch.cat([parameter.detach(), other.detach().flatten()]))
    assert torch.equal(*weights)


def test_hooks_of_a_step_are_called():
    optimizer, called = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1), []
    handle = optimizer.register_step_post_hook(lambda *_: called.append(1))
    plain_step(optimizer)()
    handle.remove()
    everybodys = register_optimizer_step_pre_hook(lambda *_: called.append(2))
    plain_step(optimizer)()
    everybodys.remove()
    plain_step(optimizer)()
    assert called == [1, 2]


def test_a_step_of_somebodys_own_is_called_as_it_is():
    class Own(torch.optim.SGD):
        """With a step of its own."""

    optimizer = Own([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    assert plain_step(optimizer) == optimizer.step


def test_an_unknown_version_of_lightning_keeps_its_own_loop(monkeypatch):
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    own = trainer.fit_loop.epoch_loop
    monkeypatch.setattr(epoch_loop.lightning, "__version__", "2.99.0")
    use_short_loop(trainer)
    assert trainer.fit_loop.epoch_loop is own


@pytest.mark.thorough
def test_a_run_that_began_without_a_fused_optimizer_goes_on_without_it(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "take_fused_steps", lambda _: None)
        unbroken = rnnlab.train(tiny(tmp_path, *MORE))
        begun = rnnlab.train(tiny(tmp_path, *MORE[1:], "trainer.max_steps=3"))
    resumed = rnnlab.resume(begun.path, MORE[:1])
    assert fused(resumed) is None
    assert_same(resumed, unbroken)
    assert fused(rnnlab.train(tiny(tmp_path, *MORE))) is True


def fused(run: Run) -> bool | None:
    saved = checkpoint.read(Path(run.path) / "checkpoints/last.ckpt")
    return saved["optimizer_states"][0]["param_groups"][0]["fused"]


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop"])
def test_fused_steps_are_those_of_the_equations(name):
    settings = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {"weight_decay": 0.1}
    weights = []
    for fuse in (False, True):
        torch.manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(size)) for size in ((3, 2), (5,))]
        optimizer = getattr(torch.optim, name)(parameters, lr=0.1, **settings)
        if fuse:
            module.take_fused_steps(optimizer)
            assert optimizer.param_groups[0]["foreach" if name == "RMSprop" else "fused"]
        for _ in range(5):
            for parameter in parameters:
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        weights.append(torch.cat([p.detach().flatten() for p in parameters]))
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)
