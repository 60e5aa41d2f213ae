"""Scores are true means over everything, the state is carried, free running is scored apart."""

import math

import pytest
import torch
from torch.nn import functional as F

from rnnlab.data import HeldOutLoader
from rnnlab.evaluation import Evaluator, evaluate, resume
from rnnlab.generate import free_run
from rnnlab.state import leaves, map_state
from tests.runs import COPY, assemble, tiny, tiny_text


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


def test_rows_that_begin_anew_forget_and_the_others_go_on(tmp_path):
    experiment = assemble(tiny_text(tmp_path))
    model = experiment.model
    batch = experiment.data.train(1)
    carried = map_state(lambda leaf: leaf + 1, model.begin(batch))
    first = torch.tensor([True, False, True, False])
    for leaf in leaves(resume(model, batch._replace(first=first), carried)):
        assert leaf[:, 0].tolist() == [0, 1, 0, 1]
    assert resume(model, batch._replace(first=None), carried) is None
    assert resume(model, batch, None) is None


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
