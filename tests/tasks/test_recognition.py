"""Recognition: sequences with a class, their files, baselines, and what is refused."""

from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout
from rnnlab.tasks import Digits, Gestures, Motions, Speakers, StoredSymbols
from rnnlab.tasks.classifiers import linear_readout, nearest_neighbour
from rnnlab.tasks.pictures import read_pictures
from rnnlab.tasks.recordings import read_recordings
from rnnlab.testing import check_task, examples

FILES: dict[str, Any] = {
    **dict.fromkeys(("path", "val_path", "test_path", "encoding")),
    "answer": "last",
}
DIGITS = {**FILES, "label": "last", "by": "row", "permuted": False}
needs_sktime = pytest.mark.skipif(find_spec("sktime") is None, reason="the extra data is missing")
needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="the extra data is missing")


@pytest.fixture
def recordings(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "own.ts").write_text(examples.recordings(), encoding="utf-8")
    return {**FILES, "path": str(tmp_path / "own.ts")}


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "own.csv").write_text(examples.pictures(), encoding="utf-8")
    return {**DIGITS, "path": str(tmp_path / "own.csv")}


def test_the_class_is_asked_after_the_last_step(recordings: dict[str, Any]) -> None:
    layouts: list[Layout] = ["stream", "encoder_decoder"]
    stream, cut = (Motions(layout, 0, **recordings).sample("val", 0, 4) for layout in layouts)
    assert cut.source is not None
    assert cut.source_mask is not None
    assert torch.equal(cut.source, stream.input)
    assert torch.equal(cut.target[:, 0], stream.target[stream.mask])
    assert (stream.mask.sum(1) == 1).all()
    last = stream.mask.int().argmax(1)
    assert torch.equal(cut.source_mask.sum(1) - 1, last)
    assert not cut.input.any()


def test_the_class_is_asked_after_every_step(recordings: dict[str, Any]) -> None:
    layouts: list[Layout] = ["stream", "encoder_decoder"]
    stream, cut = (
        Motions(layout, 0, **recordings | {"answer": "everywhere"}).sample("val", 0, 4)
        for layout in layouts
    )
    last = Motions("stream", 0, **recordings).sample("val", 0, 4)
    lengths = last.mask.int().argmax(1) + 1
    assert len(set(lengths.tolist())) > 1
    assert torch.equal(stream.mask.sum(1), lengths)
    classes = last.target[last.mask]
    for row, length in enumerate(lengths.tolist()):
        assert (stream.target[row, :length] == classes[row]).all()
        assert not stream.target[row, length:].any()
    assert torch.equal(cut.target, stream.target)
    assert torch.equal(cut.mask, stream.mask)
    assert cut.source is not None
    assert torch.equal(cut.source, stream.input)
    assert not cut.input.any()


def test_of_several_answers_the_last_is_scored_by_itself(recordings: dict[str, Any]) -> None:
    task = Motions("stream", 0, **recordings | {"answer": "everywhere"})
    batch = task.sample("test", 0, 6)
    answers = torch.nn.functional.one_hot((batch.target + 1) % 3, 3).float()
    last = batch.mask.sum(1) - 1
    answers[range(6), last] = torch.nn.functional.one_hot(batch.target[range(6), last], 3).float()
    scores = {name: float(mean.value) for name, mean in task.metrics(answers, batch).items()}
    assert scores["accuracy_at_end"] == 1
    assert scores["accuracy"] == pytest.approx(6 / int(batch.mask.sum()))
    assert scores["exact_match"] == 0
    scorer = task.scorer()
    scorer.update(answers, batch)
    assert set(scorer.breakdown()["accuracy_by_class"].values()) == {1.0}
    assert sum(scorer.breakdown()["sequences_by_class"].values()) == 6
    assert isinstance(task.show(batch, answers), Image.Image)


def test_the_floor_counts_as_many_answers_as_the_score(recordings: dict[str, Any]) -> None:
    task = Motions("stream", 0, **recordings | {"answer": "everywhere"})
    batch = task.sample("test", 0, len(task.rows["test"]))
    steps = Counter(dict.fromkeys(task.symbols, 0))
    for row in task.rows["train"]:
        steps[row.label] += len(row.values)
    commonest = task.symbols.index(steps.most_common(1)[0][0])
    answers = torch.zeros(*batch.mask.shape, 3)
    answers[..., commonest] = 1
    scored = task.metrics(answers, batch)["accuracy"].value
    assert task.floor["accuracy"] == pytest.approx(float(scored))


@pytest.mark.parametrize("task", ["motions", "digits"])
def test_every_step_is_answered_by_the_contracts(task: str) -> None:
    check_task(f"task={task}", "task.answer=everywhere")


def test_a_picture_in_one_step_keeps_the_contracts() -> None:
    check_task("task=digits", "task.by=picture")


def test_train_is_standardised(recordings: dict[str, Any]) -> None:
    task = Motions("encoder_decoder", 0, **recordings)
    batch = task.sample("train", 0, len(task.rows["train"]))
    assert batch.source is not None
    read = batch.source[batch.source_mask]
    torch.testing.assert_close(read.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(read.std(0, correction=0), torch.ones(2))


def test_pictures_are_of_sequences_from_all_over_the_batch(
    recordings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Motions("stream", 0, **recordings)
    batch = task.sample("test", 0, 6)
    drawn: list[str] = []

    def draw(_: Any, title: str) -> Image.Image:
        drawn.append(title)
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr(task, "draw", draw)
    answers = torch.nn.functional.one_hot(batch.target, 3).float()
    classes = [
        task.symbols[int(row[mask][-1])] for row, mask in zip(batch.target, batch.mask, strict=True)
    ]
    task.show(batch, answers)
    assert drawn == [f"target {classes[row]}" for row in (0, 5)]
    drawn.clear()
    task.show(batch, -answers)
    assert all(", answer " in title for title in drawn)


def test_classes_are_scored_each_and_shown(recordings: dict[str, Any]) -> None:
    task = Motions("stream", 0, **recordings)
    batch = task.sample("test", 0, 6)
    answers = torch.zeros(*batch.mask.shape, 3)
    answers[..., 0] = 1
    scorer = task.scorer()
    scorer.update(answers, batch)
    found = scorer.breakdown()
    assert found["accuracy_by_class"] == {
        name: float(name == "a") for name in found["sequences_by_class"]
    }
    assert sum(found["sequences_by_class"].values()) == 6
    assert isinstance(task.show(batch, answers), Image.Image)


def test_classes_keep_their_ids_and_new_ones_are_refused(recordings: dict[str, Any]) -> None:
    task = Motions("stream", 0, StoredSymbols(("c", "b", "a", "z")), **recordings)
    assert task.symbols == ("c", "b", "a", "z")
    with pytest.raises(ConfigError, match="classes must be those that were learnt, a, b, got c"):
        Motions("stream", 0, StoredSymbols(("a", "b")), **recordings)


def test_baselines_know_what_is_easy() -> None:
    train = torch.tensor([[0.0, 0.0], [0.0, 1.0], [5.0, 5.0], [5.0, 6.0]])
    classes = torch.tensor([0, 0, 1, 1])
    test = torch.tensor([[1.0, 1.0], [4.0, 4.0]])
    assert nearest_neighbour(train, classes, test).tolist() == [0, 1]
    assert linear_readout(train, classes, test, 2).tolist() == [0, 1]


def test_recordings_are_read_from_two_formats() -> None:
    ts = "# about\n@dimensions 2\n@data\n1,2,3:4,5,6:walk\n7,8:9,0:run\n"
    table = "name,label,x,y\na,walk,1,4\na,walk,2,5\na,walk,3,6\nb,run,7,9\nb,run,8,0\n"
    for text in (ts, table):
        rows = read_recordings(text, "task.path", "f")
        assert [row.label for row in rows] == ["walk", "run"]
        assert [row.values.tolist() for row in rows] == [[[1, 4], [2, 5], [3, 6]], [[7, 9], [8, 0]]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("@data\n1,2:3,4:a\n1,?:3,4:a\n", r"line 3 of f must have a number in each step, got '\?'"),
        ("@data\n1,2:3:a\n", r"line 2 of f must be channels of one length .* got lengths \[2, 1\]"),
        ("@data\n1,2\n", "line 2 of f must be channels"),
        ("@data\n1:a\n1:2:a\n", "must have recordings with one number of channels, got 1, 2"),
        ("@data\n", "got no recording"),
        ("name,label,x\na,b,1\na,b\n", "line 3 of f must be the name .* 3 cells, got 2"),
        ('name,label,x\na,"b,1\n', "line 2 of f is not CSV"),
        ("@data\n1e39:a\n", "line 2 of f must have a number in each step, got '1e39'"),
        ("name,label,x\na,b,\n", "line 2 of f must have a number in each step, got ''"),
    ],
)
def test_bad_recordings_are_one_clear_error(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_recordings(text, "task.path", "f")


def test_pictures_are_read_with_the_label_on_either_side() -> None:
    (last,) = read_pictures("0,1,2,255,seven\n", "last", "task.path", "f")
    first, second = read_pictures(
        "label,a,b,c,d\n7,0,1,2,255\n8,9,9,9,9\n", "first", "task.path", "f"
    )
    assert last.pixels.tolist() == first.pixels.tolist() == [[0, 1], [2, 255]]
    assert (last.label, first.label, second.label) == ("seven", "7", "8")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0,1,2,3,a\n0,1,x,3,a\n", "line 2 of f must be grey levels .* got 'x'"),
        ("0,1,2,256,a\n", "got '256'"),
        ("0,1,2,a\n", "line 1 of f must be 4 grey levels, a square picture, .* got 3"),
        ("0,1,2,3,a\n0,a\n", "line 2 of f must be 4 grey levels"),
        ("0,1,2,3,\n", "and a label, got 4 and ''"),
    ],
)
def test_bad_pictures_are_one_clear_error(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_pictures(text, "last", "task.path", "f")


@pytest.mark.parametrize(("by", "steps"), [("row", 3), ("pixel", 9), ("picture", 1)])
@pytest.mark.parametrize("permuted", [False, True])
def test_every_pixel_is_read_once(
    pictures: dict[str, Any], by: str, steps: int, permuted: bool
) -> None:
    task = Digits("stream", 0, **pictures | {"by": by, "permuted": permuted})
    batch = task.sample("test", 0, 3)
    assert batch.input.shape[1:] == (steps, task.spec.input.size) == (steps, 9 // steps)
    assert isinstance(task.show(batch, torch.zeros(*batch.mask.shape, 3)), Image.Image)
    shown = np.asarray(task._order(9))
    assert sorted(shown) == [*range(9)]
    assert (shown.tolist() == [*range(9)]) != permuted


@needs_sklearn
def test_digits_are_scikit_learns() -> None:
    task = Digits("stream", 0, **DIGITS)
    assert len(task.rows.all) == 1797
    assert task.symbols == tuple("0123456789")
    assert task.floor["accuracy_linear_readout"] > 0.95
    assert task.fingerprint() == Digits("stream", 1, **DIGITS).fingerprint()


@needs_sktime
def test_the_nearest_neighbour_of_a_gesture_is_right_as_often_as_published() -> None:
    task = Gestures("stream", 0, **FILES)
    assert task.floor["accuracy_nearest_neighbour"] == pytest.approx(0.913, abs=5e-4)
    assert task.symbols == ("gun", "point")


@needs_sktime
def test_recordings_are_sktimes() -> None:
    sizes = {}
    for kind in (Motions, Speakers, Gestures):
        task = kind("stream", 0, **FILES)
        known = len(task.rows["train"]) + len(task.rows["val"])
        sizes[kind.__name__] = (known, len(task.rows["test"]), task.spec.input.size)
    assert sizes == {"Motions": (40, 40, 6), "Speakers": (270, 370, 12), "Gestures": (50, 150, 1)}


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnlab.tasks.package_data.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"task.path=null .* scikit-learn, .*'rnnlab\[data\]'"):
        Digits("stream", 0, **DIGITS)
    with pytest.raises(ConfigError, match="sktime, which is not installed"):
        Speakers("stream", 0, **FILES)


def test_files_are_not_held_out_of_a_package() -> None:
    with pytest.raises(ConfigError, match=r"task.val_path must be null where task.path is null"):
        Digits("stream", 0, **DIGITS | {"val_path": "x"})
    with pytest.raises(ConfigError, match=r"task.test_path must be null where task.path is null"):
        Motions("stream", 0, **FILES | {"test_path": "x"})
