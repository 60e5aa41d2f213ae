"""Scores at each length are the evaluator's; tasks of fixed length are refused."""

from pathlib import Path

import pytest
import torch

from rnnlab.analysis.lengths import Lengths, trained_lengths
from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import evaluate
from rnnlab.tasks.lengths import Lengths as Range
from tests.small_runs import assemble, tiny, tiny_text


def lengths(**settings) -> Lengths:
    return Lengths(
        **{"metric": None, "factor": 4.0, "num_lengths": 3, "num_sequences": 70} | settings
    )


def test_each_length_is_scored_on_its_own_sequences(tmp_path: Path) -> None:
    experiment = assemble(tiny(tmp_path))
    experiment.model.eval()
    found = lengths().analyze(experiment)
    scores = found.numbers["scores"]
    assert list(scores) == [1, 3, 12] or list(scores) == [1, 3, 4, 12]
    batches = [experiment.task.sample("test", i, n, length=12) for i, n in enumerate((64, 6))]
    assert scores[12] == evaluate(experiment.model, experiment.task, batches).compute()
    assert found.numbers["metric"] == "exact_match"
    assert [row[0] for row in found.tables[""]] == ["length", *scores]


def test_a_net_that_always_says_the_same_is_at_the_floor_at_all_lengths(tmp_path: Path) -> None:
    experiment = assemble(tiny(tmp_path, "task.num_symbols=4"))
    experiment.model.eval()
    with torch.no_grad():
        experiment.model.readout.weight.zero_()
        experiment.model.readout.bias.copy_(torch.tensor([1.0, 0, 0, 0, 0]))
    found = lengths(metric="accuracy", num_sequences=600).analyze(experiment)
    assert found.numbers["floor"] == 0.25
    for scores in found.numbers["scores"].values():
        assert scores["accuracy"] == pytest.approx(0.25, abs=0.05)


def test_the_curriculum_says_how_long_training_was(tmp_path: Path) -> None:
    words = ["curriculum=linear", "data.curriculum.end=9"]
    assert trained_lengths(assemble(tiny(tmp_path))) == Range(3, 3)
    assert trained_lengths(assemble(tiny(tmp_path, "task.min_length=2"))) == Range(2, 3)
    assert trained_lengths(assemble(tiny(tmp_path, *words))) == Range(2, 9)
    assert trained_lengths(assemble(["task=translation", "task.max_clauses=2"])) == Range(1, 2)


def test_only_lengths_that_were_trained_are_called_so(tmp_path: Path) -> None:
    experiment = assemble(tiny(tmp_path, "task.length=5"))
    experiment.model.eval()
    found = lengths(num_sequences=2).analyze(experiment)
    assert found.numbers["trained_lengths"] == [5, 5]
    told = [line.endswith("   trained") for line in found.lines]
    assert told == [length == 5 for length in found.numbers["scores"]]
    assert min(found.numbers["scores"]) == 2


@pytest.mark.parametrize(
    ("words", "said"), [(["task.min_length=2"], "trained: 2 to 3"), ([], "trained: 3")]
)
def test_a_single_trained_length_is_a_line_and_no_band(
    words: list[str], said: str, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    experiment = assemble(tiny(tmp_path, *words))
    experiment.model.eval()
    (axes,) = lengths(num_sequences=2).analyze(experiment).pictures[""].draw().axes
    assert said in [text.get_text() for text in axes.texts]
    assert len(axes.patches) == ("to" in said)
    assert axes.get_yscale() == "linear"


def test_answers_that_are_fed_back_are_drawn_running_free() -> None:
    words = ["task=oscillation", "task.length=8", "task.eval_periods=1", "model=elman"]
    experiment = assemble(words)
    experiment.model.eval()
    found = lengths(num_sequences=2, num_lengths=2, factor=1.5).analyze(experiment)
    assert found.numbers["metric"] == "free_distance"
    pytest.importorskip("matplotlib")
    (axes,) = found.pictures[""].draw().axes
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "distance, running free"


def test_a_text_has_the_length_that_it_has(tmp_path: Path) -> None:
    experiment = assemble(tiny_text(tmp_path))
    assert "length" in lengths().refusal(experiment.model, experiment.task)


def test_a_metric_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"analysis.metric must be one of .*accuracy.*got acuracy"
    ):
        lengths(metric="acuracy").analyze(assemble(tiny(tmp_path)))
