"""Machines wired into networks by hand are found again, and so is a learnt adder's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnlab import train
from rnnlab.analysis.automaton import Automaton
from rnnlab.analysis.base import Findings
from rnnlab.analysis.numerics.machine import minimise
from rnnlab.plots.palette import GREY
from rnnlab.tasks.moore import Machine
from tests.analysis.numerics.machines import (
    ADDER,
    MOD_3,
    PARITY,
    MachineTask,
    distinguish,
    draw_machine,
    experiment_of,
    wire,
)
from tests.analysis.pictures import crosses
from tests.small_runs import assemble, tiny, tiny_text

SMALL = ["data.batch_size=4", "data.val_size=4", "data.test_size=4"]


def automaton(**settings) -> Automaton:
    given = {
        "num_clusters": None,
        "max_clusters": 64,
        "enough": 0.999,
        "num_sequences": 100,
        "factor": 8.0,
        "max_symbols": 16,
        "seed": 0,
    }
    return Automaton(**given | settings)


def machine_of(found: Findings) -> Machine:
    numbers = found.numbers
    return Machine(numbers["transitions"], numbers["outputs"], numbers["start"])


@pytest.mark.parametrize("machine", [PARITY, MOD_3, ADDER], ids=["parity", "mod 3", "adder"])
def test_a_machine_wired_into_a_net_is_found(machine: Machine) -> None:
    task = MachineTask(machine, length=10)
    found = automaton().analyze(experiment_of(task, wire(machine, task.spec)))
    assert distinguish(machine_of(found), machine) is None
    assert found.numbers["num_states"] == len(machine.outputs)
    assert found.numbers["ambiguity"] == 0
    lengths = found.numbers["by_length"]
    assert list(lengths) == [10, 28, 80]
    assert all(
        shares == {"agreement": 1, "unknown": 0, "machine_right": 1, "net_right": 1}
        for shares in lengths.values()
    )


@pytest.mark.parametrize("seed", range(12))
def test_so_is_any_machine_in_its_smallest_form(seed: int) -> None:
    machine = draw_machine(seed)
    task = MachineTask(machine, length=20)
    found = automaton().analyze(experiment_of(task, wire(machine, task.spec)))
    assert distinguish(machine_of(found), machine) is None
    smallest, _ = minimise(machine)
    assert abs(found.numbers["num_states"] - len(smallest.outputs)) <= 1  # with the start or not


def test_parity_in_three_units_is_found() -> None:
    """Units `or` and `and` of the symbol and the last parity, which is their difference."""
    task = MachineTask(PARITY, length=10)
    net = wire(PARITY, task.spec)
    cell = net.cell.layers[0]
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        # Parity before the symbol, 0 or 1, is (or - and) / 2 of the units' signs.
        cell.recurrent_weight[:2, 0], cell.recurrent_weight[:2, 1] = 5.0, -5.0
        cell.input_weight[:2, 1] = 10.0
        cell.bias[:2] = torch.tensor([-5.0, -15.0])
        net.readout.weight[1, :2] = torch.tensor([1.0, -1.0])
        net.readout.bias[0] = 1.0
    found = automaton().analyze(experiment_of(task, net))
    assert distinguish(machine_of(found), PARITY) is None
    assert found.numbers["num_states"] == 2


def test_a_trained_adder_is_the_machine_of_four_states(tmp_path: Path) -> None:
    words = ["experiment=addition_binary_elman", "trainer.max_steps=1000", "trainer.val_every=1000"]
    run = train([*words, "task.length=8", *SMALL[1:], f"output_dir={tmp_path}"])
    found = automaton().analyze(run.open([]))
    assert found.numbers["symbols"] == ["00", "01", "10", "11"]
    assert distinguish(machine_of(found), ADDER) is None
    assert found.numbers["num_states"] == 4
    assert found.numbers["by_length"][64]["agreement"] == 1


def test_too_few_clusters_are_told_of() -> None:
    task = MachineTask(MOD_3, length=10)
    found = automaton(num_clusters=1).analyze(experiment_of(task, wire(MOD_3, task.spec)))
    assert found.numbers["num_clusters"] == 1
    assert "0.00%" in found.lines[-1]  # each answer is a state of its own
    net = wire(MOD_3, task.spec)
    with torch.no_grad():
        net.readout.weight[2] = 0.0  # now 2 is said as 0, so that answers don't tell states apart
        net.readout.bias[2] = -1.0
        net.readout.weight[0] += wire(MOD_3, task.spec).readout.weight[2]
        net.readout.bias[0] += 2.0
    found = automaton(num_clusters=1).analyze(experiment_of(task, net))
    assert any("not what the net does" in line for line in found.lines)
    assert found.numbers["ambiguity"] > 0.1


def test_strings_longer_than_any_seen_may_lead_nowhere(tmp_path: Path) -> None:
    """After the one symbol of a copy nothing but the cue was ever read."""
    words = ["model=gru", "model.cell.hidden_size=8", "task=copy", "task.num_symbols=2"]
    run = assemble([*words, "task.length=1", "task.delay=0", *SMALL, f"output_dir={tmp_path}"])
    run.model.eval()
    found = automaton().analyze(run)
    assert found.numbers["by_length"][1]["agreement"] == 1
    assert found.numbers["by_length"][8]["unknown"] == 1
    assert found.numbers["outputs"][found.numbers["start"]] == -1  # nothing is asked at first


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["model=seq2seq", "task=addition_binary"], "encoder-decoder"),
        (["model=ar", "task=addition_binary"], "its last inputs"),
        (["model=gru", "task=oscillation"], "answers are numbers"),
        (["model=gru", "task=attractor_memory"], "answers are numbers"),
        (["model=gru", "task=copy", "task.num_symbols=20"], "22 different symbols"),
    ],
)
def test_what_is_no_machine_is_refused(words: list[str], reason: str) -> None:
    experiment = assemble([*words, *SMALL])
    assert reason in automaton().refusal(experiment.model, experiment.task)


def test_a_text_has_too_many_symbols(tmp_path: Path) -> None:
    experiment = assemble(tiny_text(tmp_path))
    assert "symbols" in automaton().refusal(experiment.model, experiment.task)
    assert automaton(max_symbols=100).refusal(experiment.model, experiment.task) is None
    found = automaton(max_symbols=100, num_sequences=4, max_clusters=3).analyze(experiment)
    assert list(found.numbers["by_length"]) == ["its own"]


@pytest.mark.parametrize("teacher", ["true", "false"])
@pytest.mark.parametrize("model", ["jordan", "lstm", "gru"])
def test_states_and_answers_are_those_of_the_free_running_net(model: str, teacher: str) -> None:
    words = [f"model={model}", "task=addition_binary", "task.length=4", *SMALL]
    if model == "jordan":
        words += [f"model.cell.teacher_forcing={teacher}", "model.cell.hidden_size=8"]
    else:
        words += ["model.cell.hidden_size=8", "model.num_layers=2"]
    experiment = assemble(words)
    experiment.model.eval()
    found = automaton(num_sequences=20).analyze(experiment)
    assert found.numbers["agreement_by_clusters"][1] <= 1
    told = found.numbers["by_length"][4]
    outputs = experiment.model(
        (batch := experiment.task.sample("test", 1, 20, length=4))._replace(
            mask=torch.zeros_like(batch.mask)
        )
    )[0]
    right = float((outputs.argmax(2) == batch.target).float().mean())
    assert told["net_right"] == pytest.approx(right)


@pytest.mark.parametrize("machine", [PARITY, ADDER, draw_machine(3)], ids=["2", "4", "more"])
def test_what_is_found_is_drawn_and_written(machine: Machine) -> None:
    pytest.importorskip("matplotlib")
    task = MachineTask(machine, length=20)
    found = automaton().analyze(experiment_of(task, wire(machine, task.spec)))
    figure = found.pictures[""].draw()
    states, graph = figure.axes
    circles = [patch for patch in graph.patches if type(patch).__name__ == "Circle"]
    assert len(circles) == len(states.lines) == found.numbers["num_states"]
    assert found.texts["dot"].count("label=") > len(circles)
    assert len(found.tables[""]) == 1 + len(circles)


@pytest.mark.parametrize("machine", [PARITY, MOD_3, ADDER], ids=["parity", "mod 3", "adder"])
def test_labels_have_the_colour_of_their_arrows_and_lie_on_no_loop(machine: Machine) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.colors import to_hex
    from matplotlib.patches import FancyArrowPatch

    task = MachineTask(machine, length=10)
    found = automaton().analyze(experiment_of(task, wire(machine, task.spec)))
    figure = found.pictures[""].draw()
    figure.draw_without_rendering()
    drawn = figure.axes[1]
    arrows = [patch for patch in drawn.patches if isinstance(patch, FancyArrowPatch)]
    labels = [text for text in drawn.texts if text.get_zorder() == 4]
    colors = [to_hex(arrow.get_edgecolor()) for arrow in arrows]
    assert colors[-1] == GREY  # of the start
    assert [label.get_color() for label in labels] == [color.upper() for color in colors[:-1]]
    loops = [arrow for arrow in arrows if 4 in arrow.get_path().codes]  # of cubic curves
    assert loops
    assert [label for label in labels for loop in loops if crosses(loop, label)] == []
    assert "on an arrow: what is read" in drawn.texts[-1].get_text()


def test_the_run_keeps_the_dot_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from rnnlab.analysis.save import write

    run = train([*tiny(tmp_path, "task.num_symbols=2"), "task.length=1"])
    paths = write(run, "automaton", automaton(num_sequences=8).analyze(run.open([])), 4)
    names = [path.name for path in paths]
    assert {"automaton.dot", "automaton.png", "automaton.csv"} <= set(names)
    assert (run.path / "figures/automaton.dot").read_text().startswith("digraph")


def test_its_numbers_are_those_of_its_seed() -> None:
    task = MachineTask(ADDER, length=10)
    experiment = experiment_of(task, wire(ADDER, task.spec, sharpness=4.0))
    one, other = (automaton().analyze(experiment).numbers for _ in range(2))
    np.testing.assert_array_equal(one["transitions"], other["transitions"])
    assert one["agreement_by_clusters"] == other["agreement_by_clusters"]
