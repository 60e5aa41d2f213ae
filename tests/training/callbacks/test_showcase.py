"""Samples of the first validation batch are logged, without an effect on training."""

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rnnlab
from rnnlab.config.catalogue import describe
from rnnlab.inference.show import show_samples
from rnnlab.runs.tensorboard import Events
from rnnlab.training.callbacks import Showcase
from tests.experiment.test_experiment import events
from tests.small_runs import COPY, SMALL, assemble, tiny, tiny_text


def test_samples_are_shown_at_each_validation(tmp_path):
    found = events(rnnlab.train(tiny(tmp_path)))
    shown = found.Tensors("val/samples/text_summary")
    assert [event.step for event in shown] == [2, 4]
    text = shown[0].tensor_proto.string_val[0].decode()
    assert all(line.startswith("    ") for line in text.splitlines())
    assert "target" in text


@pytest.mark.thorough
@pytest.mark.parametrize("words", [tiny, tiny_text])
def test_showing_changes_nothing_in_training(tmp_path, words, monkeypatch):
    shown = rnnlab.train(words(tmp_path, "model.dropout=0.3"))
    monkeypatch.setattr(Showcase, "on_validation_end", lambda *_: None)
    hidden = rnnlab.train(words(tmp_path, "model.dropout=0.3"))
    assert (shown.path / "metrics.csv").read_bytes() == (hidden.path / "metrics.csv").read_bytes()


def test_samples_leave_the_model_in_its_mode():
    experiment = assemble(["model=elman", *COPY])
    batch = experiment.data.train(0)
    for training in (True, False):
        experiment.model.train(training)
        assert set(show_samples(experiment.model, experiment.task, batch)) == {"samples", "picture"}
        assert experiment.model.training == training


@pytest.mark.parametrize(("attention", "shown"), [("dot", True), ("none", False)])
@pytest.mark.parametrize("task", ["translation", "oscillation", "addition", "copy"])
def test_attention_is_drawn_where_there_is_some(task, attention, shown):
    words = ["model=seq2seq", f"model.attention={attention}", f"task={task}", *SMALL]
    experiment = assemble(words)
    batch = next(iter(experiment.batches("val")))
    found = show_samples(experiment.model, experiment.task, batch)
    assert ("attention_map" in found) == shown
    if shown:
        assert isinstance(found["attention_map"], Image.Image)


def test_no_analysis_has_a_picture_of_the_same_name():
    experiment = assemble(["model=seq2seq", "model.attention=dot", *COPY])
    found = show_samples(experiment.model, experiment.task, experiment.data.train(0))
    assert not {*found} & {*describe("analysis")}


def test_what_is_shown_of_an_answering_model_is_its_free_run():
    experiment = assemble(["model=seq2seq", *COPY])
    batch = experiment.data.train(0)
    blind = batch._replace(input=torch.zeros_like(batch.input))
    blind.input[:, 0] = batch.input[:, 0]
    texts = [
        show_samples(experiment.model, experiment.task, given)["samples"]
        for given in (batch, blind)
    ]
    assert texts[0] == texts[1]


def test_a_picture_is_written_as_it_is(tmp_path):
    logger = Events(tmp_path, 0)
    logger.show("p", Image.new("P", (5, 3)), 3)
    logger.write()
    (event,) = EventAccumulator(str(tmp_path)).Reload().Images("p")
    assert (event.step, event.width, event.height) == (3, 5, 3)
