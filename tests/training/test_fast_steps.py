"""Training steps that are recorded or prepared compute what autograd does, bit for bit."""

from functools import partial

import pytest
import torch

import rnnlab
from rnnlab.kernels.gpu import graphs
from rnnlab.kernels.prepared_loss import PreparedLoss
from rnnlab.models.kernel_loss import by_autograd
from rnnlab.training import epoch_loop
from tests.dear import dear_but
from tests.marks import needs_kernels
from tests.same import assert_same
from tests.small_runs import COPY, SMALL

LONGER = ["trainer.max_steps=12", "trainer.log_every=5", "trainer.val_every=6"]
NETS = {
    "elman": ["model=elman", *COPY],
    "layers": ["model=gru", "model.num_layers=2", *COPY],
    "carried": ["model=lstm", "task=next_char", "task.length=7"],
    "learned": ["model=jordan", "model.initial_state=learned", *COPY],
}
MORE = {
    "taught": ["model=jordan", "model.cell.teacher_forcing=true", *COPY],
    "windows": ["model=ar_ffn", "model.cell.taps=5", *COPY],
    "windows_of_vectors": ["model=ar_ffn", "model.cell.taps=5", "model.embedding_size=3", *COPY],
    "embedded": ["model=elman", "model.embedding_size=5", *COPY],
    "horizon": ["model=lstm", "model.horizon=2", *COPY],
}
GPU = torch.cuda.is_available()


def record(replays: list[int], function, tensors):
    """Stand in for a CUDA graph: compute again from the same tensors, into the same memory."""
    own = [None if part is None else part.clone() for part in tensors]
    outputs = function(own)

    def replay() -> None:
        replays.append(1)
        for part, new in zip(outputs, function(own), strict=True):
            if part is not None:
                part.copy_(new)

    return graphs._Recorded(replay, own, outputs)


def counted(replays: list[int], function, tensors):
    """Record a CUDA graph whose replays are counted."""
    recorded = REAL(function, tensors)
    assert recorded is not None

    def replay() -> None:
        replays.append(1)
        recorded.replay()

    return recorded._replace(replay=replay)


REAL = graphs.record


def plain_and_fast(tmp_path, monkeypatch, words) -> None:
    """Train by autograd and as `epoch_loop` does, and compare."""
    with monkeypatch.context() as patched:
        patched.setattr(epoch_loop, "PreparedLosses", lambda: by_autograd)
        patched.setattr(epoch_loop, "RecordedSteps", lambda _: None)
        plain = rnnlab.train([*words, f"output_dir={tmp_path / 'plain'}"])
    assert_same(rnnlab.train([*words, f"output_dir={tmp_path / 'fast'}"]), plain)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.gpu if GPU else needs_kernels) for n in NETS]
)
def test_recorded_steps(tmp_path, monkeypatch, name):
    words = [*SMALL, *NETS[name], *LONGER, *["trainer=gpu"] * GPU]
    replays: list[int] = []
    monkeypatch.setattr(graphs, "record", partial(counted if GPU else record, replays))
    if not GPU:
        monkeypatch.setattr(epoch_loop, "DEVICES", ("cpu",))
    plain_and_fast(tmp_path, monkeypatch, words)
    assert replays


@needs_kernels
@pytest.mark.parametrize("name", dear_but(NETS, [*NETS, *MORE]))
def test_prepared_steps(tmp_path, monkeypatch, name):
    calls: list[int] = []
    again = PreparedLoss.again
    monkeypatch.setattr(PreparedLoss, "again", lambda *given: calls.append(1) or again(*given))
    plain_and_fast(tmp_path, monkeypatch, [*SMALL, *{**NETS, **MORE}[name], *LONGER])
    assert len(calls) == 12


def test_a_call_that_cannot_be_recorded_is_made_each_time(monkeypatch):
    monkeypatch.setattr(graphs, "record", lambda function, tensors: None)  # noqa: ARG005
    calls = graphs.Graphs()
    for number in range(5):
        (doubled,) = calls(lambda tensors: [2 * tensors[0]], [torch.tensor(number)])
        assert doubled == 2 * number
