"""Guessing weights, against the rate at which guesses are right."""

import pytest
import torch

from rnnlab import train
from rnnlab.reproductions.measures.guessing import mean_guesses
from rnnlab.runs.run import Run
from tests.small_runs import SMALL, tiny

SETTINGS = {"num_sequences": 20, "scale": 100.0, "most": 3000}


@pytest.fixture
def run(tmp_path) -> Run:
    words = ["task=latch", "task.told_steps=1", "task.noise=0", "task.length=4"]
    cell = ["model=elman", "model.cell.hidden_size=2", "model.cell.activation=sigmoid"]
    return train([*words, *cell, *SMALL, f"output_dir={tmp_path}"])


def test_random_weights_hold_a_bit(run):
    found = mean_guesses(run, metric="accuracy", must=">= 1", searches=2, **SETTINGS)
    again = mean_guesses(run, metric="accuracy", must=">= 1", searches=2, **SETTINGS)
    assert 1 < found == again < 3000


def test_the_number_of_guesses_is_one_over_their_rate(run, monkeypatch):
    """Of guesses that are right if the first weight is above 60 of 100, one of five is."""

    def score(_task, _metric, model, _batch):
        return (next(model.parameters()).flatten()[0] > 60).double()

    monkeypatch.setattr("rnnlab.reproductions.measures.guessing._score", score)
    found = mean_guesses(run, metric="accuracy", must=">= 1", searches=60, **SETTINGS)
    assert found == pytest.approx(5, rel=0.4)


def test_a_search_without_end_is_given_up(tmp_path):
    settings = {**SETTINGS, "most": 300}
    found = mean_guesses(train(tiny(tmp_path)), metric="loss", must="< 0", searches=2, **settings)
    assert found == 300
    assert torch.is_grad_enabled()
