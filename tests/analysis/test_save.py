"""What an analysis finds is written in the place of what was there, as TensorBoard reads it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

import rnnlab
from rnnlab.analysis.base import Findings, Picture, ProjectorPoints
from rnnlab.analysis.save import write
from rnnlab.runs.run import Run
from tests.small_runs import tiny


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "config.yaml").write_text("choices: {model: elman, task: copy}\nfiles: {}\n")
    return Run(tmp_path)


def points(
    values: list[list[float]], header: list[str], labels: list[list[str]]
) -> ProjectorPoints:
    return ProjectorPoints(np.array(values), header, labels)


def test_numbers_of_every_kind_become_json(run: Run) -> None:
    numbers = {
        "array": np.arange(3.0),
        "tensor": torch.tensor([[1, 2]]),
        "scalar": np.float32(0.5),
        "nothing": float("nan"),
        "complex": 1 + 2j,
        3: (True, None, "x"),
    }
    (path,) = write(run, "some", Findings([], numbers), 7)
    assert json.loads(path.read_text()) == {
        "array": [0.0, 1.0, 2.0],
        "tensor": [[1, 2]],
        "scalar": 0.5,
        "nothing": None,
        "complex": [1.0, 2.0],
        "3": [True, None, "x"],
    }


def test_tables_and_texts_have_files_of_their_own(run: Run) -> None:
    findings = Findings([], {}, {"": [["a", "b"], [1, "x,y"]], "more": [["c"]]}, texts={"dot": "g"})
    names = [path.name for path in write(run, "some", findings, 7)]
    assert names == ["some.json", "some.csv", "some_more.csv", "some.dot"]
    with run.figure("some.csv").open() as file:
        assert list(csv.reader(file)) == [["a", "b"], ["1", "x,y"]]


def test_the_projector_is_told_of_all_points_that_are_there(run: Run) -> None:
    one = points([[1.0, 2.0]], ["symbol"], [["a\tb"]])
    two = points([[1.0], [2.0]], ["symbol", "step"], [["a", 0], ["b", 1]])
    for _ in range(2):  # again changes nothing
        write(run, "states", Findings([], {}, points={"hidden": one, "cell": two}), 7)
    config = ProjectorConfig()
    text_format.Parse(run.figure("projector_config.pbtxt").read_text(), config)
    assert [entry.tensor_name for entry in config.embeddings] == ["states_cell", "states_hidden"]
    for entry, rows in zip(config.embeddings, (2, 1), strict=True):
        assert len(run.figure(entry.tensor_path).read_text().splitlines()) == rows
    cell, hidden = (run.figure(entry.metadata_path).read_text() for entry in config.embeddings)
    assert cell == "symbol\tstep\na\t0\nb\t1\n"
    assert hidden == "a\\tb\n"


def test_pictures_are_files_and_stand_in_tensorboard_once(run: Run) -> None:
    pytest.importorskip("matplotlib")
    from rnnlab.analysis.figures.style import new_figure

    pictures = {"": Picture(new_figure), "b": Picture(new_figure)}
    findings = Findings([], {}, pictures=pictures)
    for _ in range(2):
        names = [path.name for path in write(run, "some", findings, 7)]
    assert names == ["some.json", "some.png", "some_b.png"]
    found = EventAccumulator(str(run.figure("")), size_guidance={"images": 0}).Reload()
    assert found.Tags()["images"] == ["some", "some/b"]
    assert [event.step for event in found.Images("some")] == [7]


@pytest.mark.parametrize("formats", [["svg"], ["pdf", "png"]])
def test_pictures_have_the_formats_that_were_asked_for(run: Run, formats: list[str]) -> None:
    pytest.importorskip("matplotlib")
    from rnnlab.analysis.figures.style import new_figure

    findings = Findings([], {}, pictures={"": Picture(new_figure)})
    written = [write(run, "some", findings, 7, formats), write(run, "some", findings, 7, formats)]
    assert {path.suffix for path in written[0]} == {".json", *(f".{name}" for name in formats)}
    found = EventAccumulator(str(run.figure("")), size_guidance={"images": 0}).Reload()
    assert found.Tags()["images"] == ["some"]


def test_a_small_line_names_run_model_and_task(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from rnnlab.analysis.figures.style import new_figure, sign

    imprint = rnnlab.train(tiny(tmp_path)).imprint
    words = imprint.split()
    assert words[0] == "run"
    assert words[2:] == ["model", "elman", "task", "copy"]
    figure = new_figure()
    axes = figure.subplots()
    axes.set_xlabel("step")
    sign(figure, imprint)
    figure.draw_without_rendering()
    (line,) = [text for text in figure.texts if text.get_text() == imprint]
    below = axes.xaxis.label.get_window_extent().y0
    assert 0 <= line.get_window_extent().y0 < line.get_window_extent().y1 <= below


def test_every_analysis_is_described_in_its_yaml_and_listed(tmp_path: Path) -> None:
    from rnnlab.analysis.run import make
    from rnnlab.config.catalogue import describe

    run = rnnlab.train(tiny(tmp_path))
    for name, text in describe("analysis").items():
        assert text.endswith("."), name
        reason = make(name, []).refusal(run.model, run.task)
        assert reason is None or reason.strip() == reason
