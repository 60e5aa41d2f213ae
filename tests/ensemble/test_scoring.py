"""Scores, losses and gradients of N members at once equal those of each member alone."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from rnnlab.config.catalogue import describe
from rnnlab.ensemble.batches import Batches, batch_in_dims, member_batch
from rnnlab.ensemble.scoring import loss, score
from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.inference.evaluate import evaluate
from rnnlab.spec import Batch, Tokens
from rnnlab.tasks import Copy, Task
from tests.dear import dear_but
from tests.small_runs import assemble

TASKS = sorted(set(describe("task")) - {"next_char", "next_word"})  # whose file is large


def assert_same(task: Task, batch: Batch, *, shared: bool) -> None:
    torch.manual_seed(0)
    rows = batch.mask.shape[-2:]
    assert task.spec.target is not None
    output = torch.randn(3, *rows, task.spec.target.size, requires_grad=True)
    in_dims = (0, batch_in_dims(batch, shared=shared))
    scored = vmap(partial(loss, task), in_dims=in_dims)(output, batch)
    alone = torch.stack(
        [task.loss(output[n], member_batch(batch, n, shared=shared)) for n in range(3)]
    )
    torch.testing.assert_close(scored, alone)
    weights = torch.tensor([1.0, 0.5, -2.0])  # as nothing in training would have them
    expected, grad = (torch.autograd.grad(some, output, weights)[0] for some in (alone, scored))
    torch.testing.assert_close(grad, expected)


@pytest.mark.parametrize("seeds", dear_but(["1 2 3"], ["1 2 3", "1 1 1"]))
@pytest.mark.parametrize("model", ["elman", "seq2seq"])
@pytest.mark.parametrize("task", TASKS)
def test_losses_of_every_task(task: str, model: str, seeds: str) -> None:
    words = [f"model={model}", f"task={task}", "data.batch_size=4"]
    members = [assemble([*words, f"seed={seed}"]) for seed in seeds.split()]
    batches = Batches(members)
    assert_same(members[0].task, batches.train(0), shared=batches.shared)


@pytest.mark.parametrize("model", ["elman", "seq2seq"])
@pytest.mark.parametrize("task", TASKS)
def test_scores_of_every_task(task: str, model: str) -> None:
    words = [f"model={model}", f"task={task}", "data.eval_batch_size=3", "data.val_size=6"]
    assert_scored_as_alone(words)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("next_char", "seq2seq"),
        ("next_word", "elman"),
        ("translation", "elman"),
        ("translation", "seq2seq"),
    ],
)
def test_scores_of_what_a_file_holds(tmp_path: Path, task: str, model: str) -> None:
    """Members with seeds of their own are each scored on all of it, not on a share."""
    file = tmp_path / "file"
    lines = (f"{n} owls sleep.\t{n * n} hiboux dorment.\n" for n in range(1500))
    file.write_text("".join(lines), encoding="utf-8")
    words = [f"model={model}", f"task={task}", f"task.path={file}", "data.val_size=null"]
    own = ["task.max_clauses=null"] if task == "translation" else ["task.length=20"]
    if task == "next_word":
        own.append("data.batch_size=1")
    assert_scored_as_alone([*words, *own])


def assert_scored_as_alone(words: list[str]) -> None:
    members = [assemble([*words, f"seed={seed}"]) for seed in (1, 2)]
    stacked = StackedModel([one.model for one in members])
    for one, scored in zip(members, score(stacked, stacked.flat, members, "val"), strict=True):
        batches = list(one.batches("val"))
        assert len(batches) > 1
        alone = evaluate(one.model, one.task, batches).forced.compute()
        assert {name for name in scored.metrics if not name.startswith("free_")} == alone.keys()
        for name, value in alone.items():
            assert scored.metrics[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_what_is_right_is_not_read_where_nothing_is_answered() -> None:
    task = assemble(["model=elman", "task=copy"]).task
    assert isinstance(task.spec.target, Tokens)
    target = torch.tensor([[[0, -1, 2], [77, 1, 1]]]).expand(3, 2, 3)
    assert_same(task, Batch(target, target, (target >= 0) & (target < 3)), shared=False)


def test_a_task_with_a_loss_of_its_own_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(self: Task, output: Tensor, batch: Batch) -> Tensor:  # noqa: ARG001
        return output.square().mean()

    monkeypatch.setattr(Copy, "loss", other, raising=False)
    task = assemble(["model=elman", "task=copy"]).task
    assert_same(task, task.sample("train", 0, 2), shared=True)
