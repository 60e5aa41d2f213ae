"""The logged training scalars are the right means."""

from types import SimpleNamespace

import pytest
import torch

import rnnlab
from rnnlab.experiment.experiment import Experiment
from rnnlab.training import train as training
from rnnlab.training.callbacks import Telemetry
from tests.experiment.test_experiment import events
from tests.small_runs import tiny, tiny_text


@pytest.fixture
def losses(monkeypatch) -> list[float]:
    """Every batch's loss, as the model gave it."""
    seen: list[float] = []
    step = training.SequenceModule.training_step

    def watched(module, batch, index):
        outputs = step(module, batch, index)
        seen.append(float(outputs["loss"].detach()))
        return outputs

    monkeypatch.setattr(training.SequenceModule, "training_step", watched)
    return seen


def rows(run, name: str) -> dict[float, float]:
    return {row["step"]: row[name] for row in run.rows if name in row}


def speeds(run, what: str) -> dict[int, float]:
    """What TensorBoard has of a speed."""
    return {event.step: event.value for event in events(run).Scalars(f"time/{what}_per_second")}


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_loss_is_the_mean_over_all_batches_since_the_last_row(tmp_path, losses, accumulate):
    run = rnnlab.train(
        tiny(
            tmp_path,
            "trainer.log_every=3",
            "trainer.max_steps=7",
            f"trainer.accumulate={accumulate}",
        )
    )
    updates = torch.tensor(losses).view(7, accumulate).mean(1)
    assert rows(run, "train/loss") == pytest.approx(
        {3: float(updates[:3].mean()), 6: float(updates[3:6].mean()), 7: float(updates[6])},
        rel=1e-5,
    )


def test_batches_of_an_update_count_by_what_is_answered_in_them(tmp_path):
    words = ["trainer.accumulate=4", "trainer.clip_norm=null", "trainer.precision=64-true"]
    task = ["task.length=9", "task.min_length=1", "trainer.max_steps=1", "trainer.val_every=1"]
    run = rnnlab.train(tiny(tmp_path, *words, *task))
    begun = Experiment.assemble(run.config)
    model = begun.model.double()
    batches = [begun.data.train(index) for index in range(4)]
    answered = [int(batch.mask.sum()) for batch in batches]
    assert len(set(answered)) > 1
    losses = [begun.task.loss(model(batch)[0], batch) for batch in batches]
    mean = sum(loss * n for loss, n in zip(losses, answered, strict=True)) / sum(answered)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(mean, [*model.parameters()])])
    assert rows(run, "train/loss") == {1: pytest.approx(mean.item(), rel=1e-12)}
    assert rows(run, "train/grad_norm") == {1: pytest.approx(float(gradient.norm()), rel=1e-12)}


def test_the_speed_counts_symbols_and_updates_alike(tmp_path):
    run = rnnlab.train(tiny_text(tmp_path, "trainer.log_every=2"))
    steps, symbols = speeds(run, "steps"), speeds(run, "symbols")
    for step in steps:
        assert symbols[step] / steps[step] == pytest.approx(4 * 5)  # sequences of five symbols


def test_the_speed_leaves_validation_out(tmp_path, monkeypatch):
    clock = iter(range(1000))
    ticking = SimpleNamespace(perf_counter=lambda: float(next(clock)))
    monkeypatch.setattr("rnnlab.training.callbacks.telemetry.time", ticking)
    spent = Telemetry.on_validation_end

    def slow(*arguments):
        for _ in range(50):
            next(clock)
        spent(*arguments)

    monkeypatch.setattr(Telemetry, "on_validation_end", slow)
    run = rnnlab.train(tiny(tmp_path))
    steps = speeds(run, "steps")
    assert steps[3] >= steps[2]


def test_the_gradients_norm_is_of_the_update_and_the_rate_is_the_optimizers(tmp_path):
    run = rnnlab.train(tiny(tmp_path, "optimizer.lr=0.01", "trainer.clip_norm=null"))
    assert all(value > 0 for value in rows(run, "train/grad_norm").values())
    assert set(rows(run, "train/learning_rate").values()) == {0.01}


def test_what_derives_from_metrics_is_logged_in_training_too(tmp_path):
    run = rnnlab.train(tiny_text(tmp_path))
    bits, perplexity = (rows(run, f"train/{name}") for name in ("bits_per_char", "perplexity"))
    assert perplexity == {step: pytest.approx(2**value) for step, value in bits.items()}
    assert bits


def test_the_other_metrics_are_the_last_batchs(tmp_path):
    run = rnnlab.train(tiny(tmp_path, "optimizer.lr=1e-20", "trainer.log_every=4"))
    experiment = run.experiment
    batch = experiment.data.train(3)
    with torch.no_grad():
        scores = experiment.task.metrics(experiment.model(batch)[0], batch)
    for name in ("accuracy", "exact_match"):
        assert rows(run, f"train/{name}") == {4: pytest.approx(float(scores[name].value))}
