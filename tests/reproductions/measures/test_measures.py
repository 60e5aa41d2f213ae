"""Measures against what is known without them."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rnnlab import train
from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import evaluate
from rnnlab.reproductions import measures
from rnnlab.reproductions.measures import inside
from rnnlab.runs.run import Run
from tests.reports.fabricate import fabricate
from tests.small_runs import SMALL, tiny


def test_the_last_weights_are_scored_with_other_settings(tmp_path):
    run = train(tiny(tmp_path))
    words = ["task.length=9"]
    experiment = run.open(words, "last")
    due = evaluate(experiment.model, experiment.task, experiment.batches("val")).compute()
    found = measures.score_at(run, metric="loss", words=words, split="val")
    assert found == due["loss"] != run.results["val"]["loss"]


def test_an_adder_of_three_units_is_a_machine_of_four_states(tmp_path, monkeypatch):
    """Units n >= 1, n >= 2, n >= 3 of n = x + y + carry; the bit is u1 - u2 + u3."""
    words = ["task=addition_binary", "task.length=6", "model=elman", "model.cell.hidden_size=3"]
    run = train([*words, "model.cell.activation=sigmoid", *SMALL, f"output_dir={tmp_path}"])
    sizes = {"num_sequences": 64, "max_clusters": 8}
    assert math.isnan(measures.machine_states(run, **sizes))
    experiment = run.open([], "last")
    with torch.no_grad():
        for name, weight in experiment.model.named_parameters():
            last = name.rpartition(".")[2]
            if last == "input_weight":
                weight.fill_(40)
            elif last == "recurrent_weight":
                weight.copy_(torch.tensor([[0.0, 40, 0]] * 3))
            elif "readout" not in name:
                weight.copy_(torch.tensor([-20.0, -60, -100]))
            elif last == "weight":
                weight.copy_(torch.tensor([[0.0, 0, 0], [40, -40, 40]]))
            else:
                weight.copy_(torch.tensor([0.0, -20]))
    monkeypatch.setattr(Run, "open", lambda *_: experiment)
    assert measures.machine_states(run, **sizes) == 4


def test_two_taps_of_a_damped_cosine_turn_by_its_period(monkeypatch):
    theta = 2 * math.pi / 10.6
    taps = [2 * 0.9 * math.cos(theta), -(0.9**2)]
    monkeypatch.setattr(inside, "_taps", lambda _: taps)
    assert measures.tap_period(Run("x")) == pytest.approx(10.6)
    assert measures.tap_weight(Run("x"), lag=2) == pytest.approx(-0.81)
    monkeypatch.setattr(inside, "_taps", lambda _: [0.5, 0.3])
    assert math.isnan(measures.tap_period(Run("x")))


def test_a_third_of_the_sequences_is_scored(tmp_path):
    run = fabricate(tmp_path, {"seed": 0})
    results = json.loads(run.file("results.json").read_text())
    results["breakdown"] = {
        "exact_match_by_length": {"2": 1.0, "10": 0.25, "9": 0.5},
        "sequences_by_length": {"2": 5.0, "10": 1.0, "9": 3.0},
    }
    run.write_json("results.json", results)
    thirds = [
        measures.score_of_third(run, metric="exact_match", third=third)
        for third in ("shortest", "longest")
    ]
    assert thirds == pytest.approx([1.0, (0.25 + 2 * 0.5) / 3])


def test_a_number_of_an_analysis_is_taken_by_its_path(monkeypatch):
    def analyze(_):
        return SimpleNamespace(numbers={"a": torch.tensor([[1.0, 2.0]]), "b": None})

    def refuse(_):
        raise ConfigError("no rhythm")

    def take(number, analysis):
        monkeypatch.setattr(inside, "make", lambda *_: SimpleNamespace(analyze=analysis))
        return measures.of_analysis(
            Run("x"), analysis="spectrum", words=[], number=number, factor=10
        )

    monkeypatch.setattr(Run, "open", lambda *_: None)
    assert take("a/0/1", analyze) == 20
    assert math.isnan(take("b", analyze))
    assert math.isnan(take("a", refuse))


def test_updates_are_counted_to_the_first_validation_that_is_good_enough():
    curve = [{"step": 5.0}, {"step": 10.0, "val/x": 0.5}, {"step": 20.0, "val/x": 1.0}]
    run = SimpleNamespace(rows=[*curve, {"step": 30.0, "val/x": 0.9}])
    found = [measures.updates_until(run, metric="val/x", at_least=a) for a in (0.5, 0.7, 1.0)]
    assert found == [10, 20, 20]
    assert math.isnan(measures.updates_until(run, metric="val/x", at_least=1.1))


@pytest.mark.parametrize(("along", "due"), [(1, 1.0), (-1, 0.0)])
def test_a_net_that_snaps_to_the_next_corner_has_the_whole_plane_as_its_basin(
    tmp_path, monkeypatch, along, due
):
    """Maps (x, y) to (y, 1 - x), each rounded to 0 or 1; the other way round is not the curve."""
    words = ["task=oscillation_clamped", "task.curve=four_corners", "model=jordan"]
    own = ["model.cell.hidden_size=2", "model.cell.decay=0"]
    run = train([*words, *own, *SMALL, f"output_dir={tmp_path}"])
    sizes = {"num_starts": 50, "periods": 3, "near": 0.1}
    assert measures.basin(run, **sizes) == 0
    experiment = run.open([], "last")
    cell = experiment.model.cell.layers[0]
    with torch.no_grad():
        cell.hidden[0].weight.copy_(along * torch.tensor([[0.0, 0, 100], [0, -100, 0]]))
        cell.hidden[0].bias.copy_(along * torch.tensor([-50.0, 50]))
        cell.readout.weight.copy_(0.5 * torch.eye(2))
        cell.readout.bias.fill_(0.5)
    monkeypatch.setattr(Run, "open", lambda *_: experiment)
    assert measures.basin(run, **sizes) == due


def test_a_basin_is_refused_of_a_run_that_has_no_corners(tmp_path):
    with pytest.raises(ConfigError, match="basin takes task=oscillation_clamped"):
        measures.basin(train(tiny(tmp_path)), num_starts=2, periods=1, near=0.1)


def test_branches_are_pure_where_words_of_a_group_stand_together(monkeypatch):
    places = {"man": [1.0, 0.1], "dog": [1, 0], "eat": [-1, 0.1], "see": [-1, 0], "the": [0, 9]}
    symbols = np.array([*places])[None]
    states = torch.tensor([*places.values()])[None]
    real = torch.ones(1, 5, dtype=torch.bool)
    trace = SimpleNamespace(states=states, real=real, symbols=symbols)
    monkeypatch.setattr(inside, "labelled_trace", lambda *_: trace)
    monkeypatch.setattr(Run, "open", lambda *_: None)

    def purity(*groups):
        return measures.branch_purity(Run("x"), groups=groups, num_branches=3, num_sequences=1)

    assert purity(["man", "dog"], ["eat", "see"]) == 1
    assert purity(["man", "see"], ["eat", "dog"]) == 0.5
    assert purity(["man", "dog", "eat"], ["see"]) == 0.75
    trace.symbols = None
    with pytest.raises(ConfigError, match="whose inputs have names"):
        purity(["man"], ["eat"])
