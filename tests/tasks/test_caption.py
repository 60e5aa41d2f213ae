"""Captions: canvases, windows, splits of combinations, words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout, Split
from rnnlab.tasks import Caption

SETTINGS: dict[str, Any] = dict.fromkeys(("path", "val_path", "test_path", "encoding"))


@pytest.fixture
def task(tmp_path: Path) -> Caption:
    """Pictures of 4x4 pixels: `0` has the upper half, `1` the left one, `8` all, `x` none."""
    rng, rows = np.random.default_rng(0), []
    shapes = {"0": [1] * 8 + [0] * 8, "1": [1, 1, 0, 0] * 4, "8": [1] * 16, "x": [0] * 16}
    for number in range(200):
        label = "018x"[number % 4]
        levels = np.array(shapes[label]) * 15 + rng.integers(2, size=16)
        rows.append(",".join(map(str, [*levels, label])))
    (tmp_path / "own.csv").write_text("\n".join(rows), encoding="utf-8")
    return make(tmp_path)


def make(folder: Path, layout: Layout = "encoder_decoder") -> Caption:
    return Caption(layout, 0, label="last", **SETTINGS | {"path": str(folder / "own.csv")})


def captions(task: Caption, split: Split, batches: int = 8) -> set[str]:
    made = (task.sample(split, index, 64) for index in range(batches))
    return {
        task.decode(ids[mask].tolist())
        for batch in made
        for ids, mask in zip(batch.target, batch.mask, strict=True)
    }


def test_held_out_captions_are_combinations_that_train_lacks(task: Caption) -> None:
    train, test, val = (captions(task, split) for split in ("train", "test", "val"))
    assert not train & (test | val)
    assert not test & val
    assert {"a zero", "a one", "an eight", "an x"} - train in ({"an x"}, set())
    assert all(" of " in text or " above " in text for text in test | val)


def test_words_say_what_stands_where(task: Caption) -> None:
    words = task._words(3, np.array([1, 2, 0]), np.array([1, 0]))
    assert task.join(words) == "a one above an eight left of a zero"
    batch = task.sample("train", 0, 64)
    for row in range(64):
        canvas = task._canvas(task.vectors(batch, row))
        text = task.decode(batch.target[row][batch.mask[row]].tolist())
        if text in ("an eight", "a zero", "a one"):
            height, width = (np.flatnonzero(canvas.max(axis) > 0.5) for axis in (1, 0))
            shape = (np.ptp(height) + 1, np.ptp(width) + 1)
            assert shape == {"an eight": (4, 4), "a zero": (2, 4), "a one": (4, 2)}[text]


def test_windows_are_the_canvas(task: Caption, tmp_path: Path) -> None:
    scene = task._scene("train", 3, 20)
    canvas = task._paint(scene)
    windows = task._windows(canvas)
    assert windows.shape == (20, 25, 36)
    assert all(np.array_equal(task._canvas(w), c) for w, c in zip(windows, canvas, strict=True))
    assert np.array_equal(windows[0, 6].reshape(6, 6), canvas[0, 3:9, 3:9])
    stream = make(tmp_path, "stream").sample("train", 3, 20)
    assert torch.equal(stream.input[:, :25, :-1], torch.from_numpy(windows))
    assert torch.equal(stream.input[..., -1], stream.mask.float())


def test_attention_lies_over_the_canvas(task: Caption) -> None:
    weights = np.zeros((2, 25))
    weights[0, 0] = weights[1, 24] = 1
    canvas, shed = task.over_picture(task.sample("test", 0, 1), 0, weights)
    assert canvas.shape == (18, 18)
    assert shed[0, :6, :6].all()
    assert shed[1, 12:, 12:].all()
    assert shed.sum() == 72


def test_a_right_caption_is_shown_and_scored(task: Caption) -> None:
    batch = task.sample("test", 0, 4)
    right = F.one_hot(batch.target, len(task.symbols)).float()
    scorer = task.scorer()
    scorer.update(right, batch)
    assert scorer.compute()["exact_match"] == 1
    assert isinstance(task.show(batch, right), Image.Image)
    assert isinstance(task.show_answers(batch, batch.target), Image.Image)
    assert 0 < task.floor["accuracy_nearest_neighbour"] < task.floor["exact_match_told_where"] == 1


def test_a_prompt_or_a_length_is_refused(task: Caption) -> None:
    with pytest.raises(ConfigError, match="prompt must be null, got 'a': the source is no text"):
        task.prompt("a", 1, None)
    with pytest.raises(ConfigError, match="length can't be chosen"):
        task.sample("test", 0, 1, length=3)
