"""Truncated backpropagation: the state that is carried really arrives, and is saved."""

import io
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from rnnlab.experiment.schedulers import constant, plateau
from rnnlab.models.kernel_loss import kernel_loss
from rnnlab.state import leaves, structure
from rnnlab.training import module as training_module
from rnnlab.training.module import SequenceModule
from tests.marks import needs_kernels
from tests.small_runs import COPY, assemble, tiny_text

WAYS = {
    "make_optimizer": partial(torch.optim.SGD, lr=0.1),
    "make_scheduler": constant,
    "monitor": "val/loss",
    "mode": "min",
    "log_every": 1,
}


def make(words: list[str], **ways) -> SequenceModule:
    experiment = assemble(words)
    module = SequenceModule(experiment.model, experiment.task, **WAYS | ways)
    module.data = experiment.data
    return module


def reader(out: Path, model: str) -> list[str]:
    """The words of another model that reads a text."""
    words = tiny_text(out, f"model={model}")
    return [word for word in words if not word.startswith("model.cell")]


def take(module: SequenceModule, index: int, **changes) -> torch.Tensor:
    """One training batch, as the trainer gives it; without an update."""
    outputs = module.training_step(module.data.train(index)._replace(**changes), index)
    module.on_train_batch_end(outputs, None, index)
    return outputs["loss"]


def save(module: SequenceModule) -> dict[str, Any]:
    """What the module adds to a checkpoint."""
    checkpoint: dict[str, Any] = {"loops": {}, "epoch": 0, "global_step": 1}
    module.on_save_checkpoint(checkpoint)
    return checkpoint


def load(module: SequenceModule, checkpoint: dict[str, Any]) -> None:
    """Give the module a checkpoint, as the trainer does."""
    module.trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    module.on_load_checkpoint(checkpoint)
    assert module.trainer.global_step == 1
    module.on_train_start()


def unbroken(module: SequenceModule, count: int):
    """The first batches side by side, and what the model makes of them in one go."""
    batches = [module.data.train(index) for index in range(count)]
    whole = batches[0]._replace(
        input=torch.cat([batch.input for batch in batches], dim=1),
        target=torch.cat([batch.target for batch in batches], dim=1),
        mask=torch.cat([batch.mask for batch in batches], dim=1),
    )
    return whole, *module.model(whole)


@pytest.mark.parametrize("model", ["elman", "lstm", "gru", "jordan", "ar"])
def test_the_state_after_some_batches_is_that_of_an_unbroken_run(tmp_path, model):
    module = make(reader(tmp_path, model))
    losses = [take(module, index) for index in range(3)]
    whole, output, state = unbroken(module, 3)
    for carried, final in zip(leaves(module.carried), leaves(state), strict=True):
        torch.testing.assert_close(carried, final, rtol=1e-4, atol=1e-5)
    loss = module.task.loss(output, whole)
    torch.testing.assert_close(torch.stack(losses).mean(), loss, rtol=1e-4, atol=1e-5)


def test_no_gradient_flows_into_the_batch_before(tmp_path):
    module = make(tiny_text(tmp_path))
    take(module, 0)
    assert not any(leaf.requires_grad for leaf in leaves(module.carried))
    take(module, 1).backward()  # would fail if it reached the first batch's freed graph
    take(module, 2).backward()


def test_where_a_stream_begins_anew_the_state_does_too(tmp_path):
    module = make(tiny_text(tmp_path))
    fresh = take(module, 0)
    count = module.task.num_batches("train", 4)
    take(module, 1)
    assert module.data.train(count).first.all()
    torch.testing.assert_close(take(module, count), fresh)
    take(module, 1)
    one = torch.tensor([True, False, False, False])
    mixed = take(module, 0, first=one)
    assert not torch.isclose(mixed, fresh)


def test_the_state_moves_on_once_a_batch_however_often_the_optimizer_looks(tmp_path):
    module = make(tiny_text(tmp_path))
    take(module, 0)
    losses = [module.training_step(module.data.train(1), 1)["loss"] for _ in range(3)]
    assert losses[0] == losses[1] == losses[2]


def test_sequences_on_their_own_carry_nothing():
    module = make(["model=elman", *COPY])
    one, other = take(module, 0), take(module, 0)
    assert module.carried is None
    assert one == other


@needs_kernels
@pytest.mark.parametrize("model", ["elman", "lstm", "ar_ffn", "jordan"])
def test_answers_are_computed_where_the_mask_is_true_alone(model, monkeypatch):
    module, asked = make([f"model={model}", *COPY]), []

    def spy(model, batch, state, steps, learn):
        asked.append((batch.target.shape[1], steps))
        return kernel_loss(model, batch, state, steps, learn)

    monkeypatch.setattr(training_module, "kernel_loss", spy)
    found = []
    for some in (True, False):
        monkeypatch.setattr(training_module, "can_select_steps", lambda _, some=some: some)
        loss = module.training_step(module.data.train(0), 0)["loss"]
        found.append([loss, *torch.autograd.grad(loss, list(module.model.parameters()))])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    mask = module.data.train(0).mask
    answered = mask.any(dim=0).nonzero().flatten().tolist()
    assert 0 < len(answered) < mask.shape[1]
    assert asked == [(len(answered), answered), (mask.shape[1], None)]


@pytest.mark.parametrize("model", ["elman", "lstm"])
def test_a_checkpoint_brings_the_carried_state_back(tmp_path, model):
    words = reader(tmp_path, model)
    module, other = make(words), make(words)
    take(module, 0)
    checkpoint = save(module)
    file = io.BytesIO()
    torch.save(checkpoint, file)
    file.seek(0)
    load(other, torch.load(file, weights_only=True))
    assert structure(other.carried) == structure(module.carried)
    assert take(other, 1) == take(module, 1)
    assert take(make(words), 1) != take(other, 1)


def test_a_checkpoint_of_nothing_carried_brings_nothing():
    module = make(["model=elman", *COPY])
    load(module, save(module))
    assert module.carried is None


def test_clipping_keeps_the_norm_from_before_and_none_only_measures():
    module = make(["model=elman", *COPY])
    take(module, 0).backward()
    norm = torch.cat([p.grad.flatten() for p in module.parameters()]).norm()
    module.configure_gradient_clipping(None, None)
    torch.testing.assert_close(module.grad_norm, norm)
    torch.testing.assert_close(
        torch.cat([p.grad.flatten() for p in module.parameters()]).norm(), norm
    )
    module.configure_gradient_clipping(None, float(norm) / 4)
    torch.testing.assert_close(module.grad_norm, norm)
    torch.testing.assert_close(
        torch.cat([p.grad.flatten() for p in module.parameters()]).norm(),
        norm / 4,
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("make_scheduler", "kind", "interval"),
    [
        (constant, LambdaLR, "step"),
        (partial(plateau, factor=0.5, patience=0), ReduceLROnPlateau, "epoch"),
    ],
)
def test_a_schedule_goes_by_updates_and_a_plateau_by_validations(make_scheduler, kind, interval):
    module = make(["model=elman", *COPY], make_scheduler=make_scheduler, mode="max")
    module.trainer = type("Trainer", (), {"max_steps": 10, "precision": "32-true"})()
    made = module.configure_optimizers()
    assert set(made) == {"optimizer", "lr_scheduler"}
    assert isinstance(made["lr_scheduler"]["scheduler"], kind)
    assert made["lr_scheduler"]["interval"] == interval
    assert made["lr_scheduler"]["monitor"] == "val/loss"
    trained = {id(p) for group in made["optimizer"].param_groups for p in group["params"]}
    assert trained == {id(p) for p in module.model.parameters()}
