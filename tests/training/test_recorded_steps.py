"""Training steps that are recorded and replayed compute what they compute anew."""

from functools import partial

import pytest
import torch

import rnnlab
from rnnlab.kernels.gpu import graphs
from rnnlab.training import recorded_steps
from tests.same import assert_same
from tests.small_runs import COPY, SMALL

LONGER = ["trainer.max_steps=12", "trainer.log_every=5", "trainer.val_every=6"]
NETS = {
    "elman": ["model=elman", *COPY],
    "layers": ["model=gru", "model.num_layers=2", *COPY],
    "carried": ["model=lstm", "task=next_char", "task.length=7"],
    "learned": ["model=jordan", "model.initial_state=learned", *COPY],
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


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.gpu] * GPU) for n in NETS])
def test_a_replayed_run_is_the_same_bit_for_bit(tmp_path, monkeypatch, name):
    words = [*SMALL, *NETS[name], *LONGER, *["trainer=gpu"] * GPU]
    with monkeypatch.context() as patched:
        patched.setattr(recorded_steps, "_DEVICES", ())
        plain = rnnlab.train([*words, f"output_dir={tmp_path / 'plain'}"])
    replays: list[int] = []
    monkeypatch.setattr(graphs, "record", partial(counted if GPU else record, replays))
    monkeypatch.setattr(recorded_steps, "_DEVICES", ("cuda", "cpu"))
    assert_same(rnnlab.train([*words, f"output_dir={tmp_path / 'recorded'}"]), plain)
    assert replays


def test_a_call_that_cannot_be_recorded_is_made_each_time(monkeypatch):
    monkeypatch.setattr(graphs, "record", lambda function, tensors: None)  # noqa: ARG005
    calls = graphs.Graphs()
    for number in range(5):
        (doubled,) = calls(lambda tensors: [2 * tensors[0]], [torch.tensor(number)])
        assert doubled == 2 * number
