"""Scores are true means over everything, the state is carried, free running is scored apart."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rnnlab.experiment.data import HeldOutLoader
from rnnlab.inference.evaluate import Evaluator, evaluate, state_before
from rnnlab.inference.generate import free_run
from rnnlab.state import leaves, map_state
from tests.small_runs import COPY, assemble, tiny, tiny_text


def long_text(place: Path, lines: int) -> list[str]:
    """Write a text of so many lines, and return the words that choose it."""
    text = "".join(f"{n * n} sheep, {n} dogs.\n" for n in range(lines))
    (place / "long.txt").write_text(text, encoding="utf-8")
    return ["task=next_char", f"task.path={place / 'long.txt'}"]


def test_a_score_is_the_mean_over_all_steps_whatever_the_batches():
    task_words = [*COPY, "model=elman", "task.length=6", "task.min_length=1", "data.val_size=13"]
    experiment = assemble(task_words)
    model, task = experiment.model, experiment.task
    batches = list(experiment.batches("val"))
    assert len({batch.mask.sum() for batch in batches}) > 1
    scores = evaluate(model, task, batches).compute()
    nats, right, steps = 0.0, 0, 0
    for batch in batches:
        with torch.no_grad():
            output = model(batch)[0][batch.mask]
        nats += float(F.cross_entropy(output, batch.target[batch.mask], reduction="sum"))
        right += int((output.argmax(1) == batch.target[batch.mask]).sum())
        steps += int(batch.mask.sum())
    assert scores["loss"] == pytest.approx(nats / steps, rel=1e-5)
    assert scores["accuracy"] == pytest.approx(right / steps)


def test_evaluation_carries_the_state_over_a_text(tmp_path):
    experiment = assemble(tiny_text(tmp_path, "data.val_size=null"))
    model, task = experiment.model, experiment.task
    batches = list(experiment.batches("val"))
    assert len(batches) > 3
    unbroken = batches[0]._replace(
        input=torch.cat([batch.input for batch in batches], dim=1),
        target=torch.cat([batch.target for batch in batches], dim=1),
        mask=torch.cat([batch.mask for batch in batches], dim=1),
    )
    with torch.no_grad():
        output, state = model(unbroken)
    evaluator = evaluate(model, task, batches)
    whole = float(task.loss(output, unbroken))
    assert evaluator.compute()["loss"] == pytest.approx(whole, rel=1e-5)
    for carried, final in zip(leaves(evaluator.carried), leaves(state), strict=True):
        torch.testing.assert_close(carried, final)
    forgetful = [batch._replace(first=None) for batch in batches]
    assert evaluate(model, task, forgetful).compute()["loss"] != pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("model", [["model=gru"], ["model=ar"], ["model=seq2seq", "task.cut=4"]])
def test_the_score_of_a_text_depends_on_no_size_of_batch(tmp_path, model):
    """The held-out text is scored whole, whatever is trained with or scored at once."""
    words = [*long_text(tmp_path, 2000), *model, "data.test_size=null"]
    stream = "task.cut=4" not in model
    cut = 1 if stream else 4

    def score(*more):
        experiment = assemble([*words, "task.test_fraction=0.1", "task.length=20", *more])
        evaluator = evaluate(experiment.model, experiment.task, experiment.batches("test"))
        (_, weight) = evaluator.forced._totals["accuracy"]
        assert int(weight) == len(experiment.task._splits["test"]) - cut
        return evaluator.compute()

    scores = score("data.batch_size=64")
    for batch_size in (1, 7):
        assert score(f"data.batch_size={batch_size}") == scores
    for size in (1, 50):
        assert score(f"data.eval_batch_size={size}") == pytest.approx(scores, rel=1e-6)
    if stream:  # the state goes on from window to window
        assert score("task.length=33") == pytest.approx(scores, rel=1e-6)


def test_the_streams_of_a_text_are_each_scored_as_read_alone(tmp_path):
    experiment = assemble([*long_text(tmp_path, 2000), "model=gru", "data.val_size=null"])
    model, task = experiment.model.eval(), experiment.task
    ids = torch.from_numpy(task._splits["val"].astype(np.int64))
    streams = (len(ids) - 1) // 1000
    assert 1 < streams < 64
    nats = 0.0
    for row in range(streams):
        begin, end = ((len(ids) - 1) * place // streams for place in (row, row + 1))
        one = ids[None, begin : end + 1]
        batch = experiment.data.train(0)._replace(
            input=one[:, :-1], target=one[:, 1:], mask=one[:, 1:] >= 0, first=None
        )
        with torch.no_grad():
            nats += float(task.loss(model(batch)[0], batch)) * (end - begin)
    scores = evaluate(model, task, experiment.batches("val")).compute()
    assert scores["loss"] == pytest.approx(nats / (len(ids) - 1), rel=1e-5)


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_processes_that_share_the_streams_of_a_text_score_it_as_one_does(tmp_path, world_size):
    experiment = assemble([*long_text(tmp_path, 5000), "model=gru", "data.val_size=null"])
    model, task = experiment.model, experiment.task
    assert task.num_streams("val") == 6  # less than 7, so that some processes have no row
    alone = evaluate(model, task, experiment.batches("val")).compute()
    whole = task.scorer()
    for rank in range(world_size):
        batches = list(experiment.batches("val", rank=rank, world_size=world_size))
        share = evaluate(model, task, [batch for batch in batches if len(batch.mask)])
        whole.merge(share.forced.parts())
    assert whole.compute() == pytest.approx(alone, rel=1e-6)


def test_rows_that_begin_anew_forget_and_the_others_go_on(tmp_path):
    experiment = assemble(tiny_text(tmp_path))
    model = experiment.model
    batch = experiment.data.train(1)
    carried = map_state(lambda leaf: leaf + 1, model.begin(batch))
    first = torch.tensor([True, False, True, False])
    for leaf in leaves(state_before(model, batch._replace(first=first), carried)):
        assert leaf[:, 0].tolist() == [0, 1, 0, 1]
    assert state_before(model, batch._replace(first=None), carried) is None
    assert state_before(model, batch, None) is None


def test_free_running_is_scored_where_the_model_reads_its_own_answers(tmp_path):
    words = ["model=seq2seq", *COPY, f"output_dir={tmp_path}"]
    experiment = assemble([*words, "model.encoder.cell.hidden_size=8"])
    model, task = experiment.model, experiment.task
    batches = list(experiment.batches("val"))
    scores = evaluate(model, task, batches).compute()
    assert set(scores) == {
        f"{free}{name}" for free in ("", "free_") for name in ("loss", "accuracy", "exact_match")
    }
    model.eval()
    totals = [(free_run(model, batch), batch) for batch in batches]
    answered = sum(int(batch.mask.sum()) for batch in batches)
    nats = sum(float(task.loss(out, batch)) * int(batch.mask.sum()) for out, batch in totals)
    assert scores["free_loss"] == pytest.approx(nats / answered, rel=1e-5)
    assert not math.isclose(scores["free_loss"], scores["loss"], rel_tol=1e-6)


def test_a_model_that_reads_no_answers_has_one_score():
    experiment = assemble([*COPY, "model=elman"])
    assert set(
        evaluate(experiment.model, experiment.task, experiment.batches("val")).compute()
    ) == {
        "loss",
        "accuracy",
        "exact_match",
    }


def test_evaluating_switches_dropout_off_and_leaves_the_model_as_it_was(tmp_path):
    experiment = assemble(tiny(tmp_path, "model.dropout=0.5"))
    model, task = experiment.model, experiment.task
    batches = list(HeldOutLoader(experiment.data, "val"))
    assert model.training
    one, other = (evaluate(model, task, batches).compute() for _ in range(2))
    assert one == other
    assert model.training
    model.eval()
    evaluate(model, task, batches)
    assert not model.training


def test_the_outputs_to_show_are_the_free_running_ones_where_those_are_scored():
    experiment = assemble(["model=seq2seq", *COPY])
    model = experiment.model.eval()
    batch = experiment.data.train(0)
    shown = Evaluator(model, experiment.task).update(batch)
    torch.testing.assert_close(shown, free_run(model, batch))
    assert not torch.allclose(shown, model(batch)[0])
