"""What a system read, in the order in which it did."""

from pathlib import Path

import pytest
import torch

from rnnlab.analysis.probe.labelled_trace import labelled_trace, layer_parts, names
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from tests.small_runs import SMALL, assemble, tiny, tiny_text

SEQ2SEQ = ["model=seq2seq", *(f"model.{p}.cell.hidden_size=6" for p in ("encoder", "decoder"))]
COPY = ["task=copy", "task.length=3", "task.delay=1", *SMALL]


def build(tmp_path: Path, *words: str) -> Experiment:
    experiment = assemble([*words, f"output_dir={tmp_path}"])
    experiment.model.eval()
    return experiment


def test_states_are_those_after_each_symbol(tmp_path: Path) -> None:
    experiment = build(tmp_path, *tiny(tmp_path))
    labelled = labelled_trace(experiment, None, 5, 4)
    batch = experiment.task.sample("test", 0, 5, length=4)
    assert labelled.symbols.tolist() == [experiment.task.labels(row) for row in batch.input]
    assert labelled.real.all()
    output = experiment.model.readout(labelled.states)
    torch.testing.assert_close(output, experiment.model(batch)[0])


@pytest.mark.parametrize("reverse", ["true", "false"])
def test_encoders_name_symbols_from_the_end_where_they_begin(tmp_path: Path, reverse: str) -> None:
    words = [*SEQ2SEQ, *COPY, "model.bidirectional=true", f"model.reverse_source={reverse}"]
    experiment = build(tmp_path, *words)
    source = experiment.task.sample("test", 0, 3).source
    forward = [experiment.task.labels(row) for row in source]
    backward = [row[::-1] for row in forward]
    first, second = (backward, forward) if reverse == "true" else (forward, backward)
    assert labelled_trace(experiment, "encoder", 3, None).symbols.tolist() == first
    assert labelled_trace(experiment, "backward_encoder", 3, None).symbols.tolist() == second
    inputs = experiment.task.sample("test", 0, 3).input
    decoded = labelled_trace(experiment, "decoder", 3, None).symbols.tolist()
    assert decoded == [experiment.task.labels(row) for row in inputs]


@pytest.mark.parametrize("system", ["network", "encoder", "decoder"])
def test_padding_is_not_real(tmp_path: Path, system: str) -> None:
    model = ["model=elman"] if system == "network" else SEQ2SEQ
    labelled = labelled_trace(build(tmp_path, *model, "task=addition", *SMALL), system, 20, None)
    assert not labelled.real.all()
    padded = labelled.symbols == "<pad>"
    assert (padded == ~labelled.real.numpy()).all()
    assert "<pad>" not in labelled.columns(0, 99)
    assert labelled.columns(0, 2) == labelled.symbols[0, :2].tolist()


def test_steps_that_have_but_numbers_are_not_named(tmp_path: Path) -> None:
    oscillation = build(tmp_path, "model=elman", "task=oscillation", *SMALL)
    labelled = labelled_trace(oscillation, None, 2, 9)
    assert labelled.symbols is None
    assert labelled.columns(1, 3) == ["0", "1", "2"]
    assert labelled.phases.shape == labelled.real.shape
    binary = build(tmp_path, "model=elman", "task=addition_binary", *SMALL)
    assert set(labelled_trace(binary, None, 4, None).symbols.flatten()) == {"00", "01", "10", "11"}


def test_a_space_is_shown(tmp_path: Path) -> None:
    task = build(tmp_path, *tiny_text(tmp_path)).task
    assert names(task, torch.tensor(task.encode("e 1\n"))) == ["e", "␣", "1", "↵"]


def test_a_system_or_layer_that_is_none_is_named(tmp_path: Path) -> None:
    two = build(tmp_path, *tiny(tmp_path, "model.num_layers=2"))
    with pytest.raises(ConfigError, match=r"system must be null or one of network, got decoder"):
        labelled_trace(two, "decoder", 2, None)
    system = labelled_trace(two, None, 2, None).system
    assert [tuple(part) for part in layer_parts(system, 1)] == [("hidden", slice(0, 8))]
    assert layer_parts(system, None) == layer_parts(system, 2) != layer_parts(system, 1)
    with pytest.raises(ConfigError, match=r"analysis.layer must be null or 1 to 2, got 3"):
        layer_parts(system, 3)
