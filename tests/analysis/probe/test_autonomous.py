"""Maps that a model is by itself do what the model does."""

from pathlib import Path

import pytest
import torch

from rnnlab.analysis.probe.autonomous import autonomous_maps, has_only_taps
from rnnlab.analysis.probe.free_run import FreeRun
from rnnlab.analysis.probe.system import batch_in_double, systems
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.generate import free_run
from rnnlab.models.base import Model
from rnnlab.spec import Batch, Reals, TaskSpec
from tests.models.zoo import (
    CELLS,
    SOURCE_SPECS,
    WAYS,
    draw_batch,
    make_seq2seq,
    make_stream,
)
from tests.small_runs import SMALL, assemble, tiny

FED_BACK = TaskSpec(input=Reals(3), target=Reals(2), feedback=True)


def steady(spec: TaskSpec) -> Batch:
    """Draw a batch whose inputs besides the answers stay."""
    batch = draw_batch(spec)
    inputs = batch.input.clone()
    inputs[:, :, 2:] = inputs[:, :1, 2:]
    return batch._replace(input=inputs)


def same_as_free_run(model: Model, batch: Batch) -> None:
    free = FreeRun(model, batch)
    visited, answers = free.run(free.start, free.rows, batch.input.shape[1] - 1)
    torch.testing.assert_close(answers, free_run(model, batch)[:, 1:])
    again, _ = free.run(visited[[2, 0], 1], torch.tensor([2, 0]), 2)
    torch.testing.assert_close(again, visited[[2, 0], 2:4])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_a_free_run_is_the_models_free_run(name: str, layers: int) -> None:
    same_as_free_run(make_stream(FED_BACK, name, num_layers=layers).eval(), steady(FED_BACK))


@pytest.mark.parametrize("way", WAYS)
def test_a_decoders_free_run_is_the_models_free_run(way: str) -> None:
    spec = SOURCE_SPECS["reals"]
    model = make_seq2seq(spec, "gru", "lstm", **WAYS[way]).eval()
    same_as_free_run(model, steady(spec))


def test_a_taught_jordan_network_runs_free_of_its_teacher() -> None:
    model = make_stream(FED_BACK, "jordan", cell_settings={"teacher_forcing": True}).eval()
    same_as_free_run(model, steady(FED_BACK))


def test_rows_are_one_map_where_they_read_the_same() -> None:
    batch = steady(FED_BACK)
    batch.input[:, :, 2] = torch.tensor([1.0, 0.5, 1.0])[:, None]
    free = FreeRun(make_stream(FED_BACK, "elman").eval(), batch)
    assert free.rows_by_input() == {"its own answers and 1": [0, 2], "its own answers and 0.5": [1]}


@pytest.mark.parametrize(("way", "reads"), [("plain", False), ("dot", True)])
def test_a_decoder_that_looks_back_is_a_map_for_each_source(way: str, reads: bool) -> None:
    spec = SOURCE_SPECS["reals"]
    free = FreeRun(make_seq2seq(spec, **WAYS[way]).eval(), steady(spec))
    assert free.reads_source is reads
    assert all(("after source" in name) is reads for name in free.rows_by_input())


def adder(tmp_path: Path, *words: str) -> Experiment:
    chosen = ["model=elman", "model.cell.hidden_size=8", "task=addition_binary", "task.length=9"]
    experiment = assemble([*chosen, *SMALL, f"output_dir={tmp_path}", *words])
    experiment.model.double().eval()
    return experiment


def maps(experiment: Experiment, choice, name: str | None = None):
    batch = batch_in_double(experiment.task.sample("test", 0, 6))
    return autonomous_maps(experiment.model, experiment.task, batch, choice, name), batch


def test_each_input_is_a_map_of_its_own(tmp_path: Path) -> None:
    experiment = adder(tmp_path)
    found, batch = maps(experiment, "each")
    assert [m.reads for m in found] == ["input 0 0", "input 0 1", "input 1 0", "input 1 1"]
    states = torch.rand(4, 8, dtype=torch.float64)
    inputs = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(4, -1)
    (system,) = systems(experiment.model).values()
    torch.testing.assert_close(found[2].step(states), system.step(inputs, states))
    assert len(torch.cat(found[0].visited)) == int(batch.mask.sum())


@pytest.mark.parametrize(
    ("choice", "reads"),
    [("zero", "nothing but zeros"), ("mean", "the mean input"), ([0, 1], "input 0 1")],
)
def test_a_constant_input_can_be_chosen(tmp_path: Path, choice, reads: str) -> None:
    assert [m.reads for m in maps(adder(tmp_path), choice)[0]] == [reads]


def test_the_commonest_symbol_of_copy_is_the_blank(tmp_path: Path) -> None:
    experiment = assemble(tiny(tmp_path, "task.delay=9"))
    experiment.model.double().eval()
    assert [m.reads for m in maps(experiment, "auto")[0]] == ["input _"]
    (named,), _ = maps(experiment, "b")
    assert named.reads == "input b"
    (blank,), _ = maps(experiment, "_")
    states = torch.rand(2, 8, dtype=torch.float64)
    torch.testing.assert_close(blank.step(states), maps(experiment, "auto")[0][0].step(states))


def test_an_oscillation_reads_its_own_answers_where_nothing_is_said(tmp_path: Path) -> None:
    words = ["task=oscillation", "task.eval_periods=2"]
    experiment = assemble(
        ["model=ar", "model.cell.taps=3", *words, *SMALL, f"output_dir={tmp_path}"]
    )
    experiment.model.double().eval()
    (found,), _ = maps(experiment, "auto")
    assert found.reads == "its own answers"
    assert found.visited[0].shape[1] == 2 * 2 + 2  # two inputs kept, and the answer
    assert has_only_taps(experiment.model)
    with pytest.raises(ConfigError, match=r"analysis.input must be own"):
        maps(experiment, "zero")


@pytest.mark.parametrize(
    ("choice", "name", "says"),
    [
        ("own", None, "own takes a task whose answers are numbers"),
        ("c", None, "analysis.input must be auto, own, .* or a list of 2 numbers, got 'c'"),
        ([1], None, r"a list of 2 numbers, got \[1\]"),
        ("auto", "decoder", "analysis.system must be null or one of network, got decoder"),
    ],
)
def test_a_choice_that_does_not_suit_is_refused(tmp_path: Path, choice, name, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        maps(adder(tmp_path), choice, name)


def test_a_decoder_that_reads_a_context_is_no_map_by_itself(tmp_path: Path) -> None:
    words = ["model=seq2seq", "task=copy", "task.length=3", "model.context_every_step=true", *SMALL]
    experiment = assemble([*words, f"output_dir={tmp_path}"])
    experiment.model.double().eval()
    assert [m.reads for m in maps(experiment, "auto")[0]] == ["input _"]
    with pytest.raises(ConfigError, match="each step reads a context too"):
        maps(experiment, "auto", "decoder")
