"""Pictures as sequences of pixels: batches, samples, baselines."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout
from rnnlab.tasks.next_pixel import NextPixel, counted_floors
from rnnlab.testing import examples


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "own.csv").write_text(examples.pictures(), encoding="utf-8")
    held_out = {"val_path": None, "test_path": None}
    return {
        "path": str(tmp_path / "own.csv"),
        **held_out,
        "encoding": None,
        "label": "last",
        "levels": None,
    }


def test_layouts_hold_one_content(settings: dict[str, Any]) -> None:
    layouts: list[Layout] = ["stream", "encoder_decoder"]
    stream, cut = (NextPixel(layout, 0, **settings).sample("val", 0, 4) for layout in layouts)
    assert cut.source is not None
    assert stream.input[:, 0].tolist() == [17] * 4
    assert torch.equal(stream.input[:, 1:], stream.target[:, :-1])
    assert torch.equal(torch.cat([cut.source, cut.target], 1), stream.target)
    assert cut.source.shape[1] == 3


def test_levels_are_told_apart_as_far_as_asked(settings: dict[str, Any]) -> None:
    task = NextPixel("stream", 0, **settings | {"levels": 4})
    assert task.symbols == ("0", "1", "2", "3", "start")
    row = task.rows.all[0]
    assert task._ids([row])[0].tolist() == [
        level * 4 // 17 for level in row.pixels.ravel().tolist()
    ]


def test_a_sheet_has_pictures_from_nothing_and_completed_ones(settings: dict[str, Any]) -> None:
    task = NextPixel("stream", 0, **settings)
    batch = task.prompt(None, 1, None)
    assert batch.mask.sum(1).tolist() == [9] * 8 + [6] * 8
    assert task.prompt(None, 1, 2).mask.sum(1).tolist() == [9] * 8 + [2] * 8
    assert isinstance(task.show_answers(batch, batch.target), Image.Image)
    with pytest.raises(ConfigError, match="prompt must be null"):
        task.prompt("x", 1, None)


def test_counting_models_find_what_neighbours_tell() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.integers(4, size=(400, 4, 1)), 4, axis=2).reshape(400, 16)  # like the left
    floors = counted_floors(rows[:300], rows[300:], 4, 4)
    assert floors["bits_per_pixel"] == pytest.approx(2, abs=0.02)
    assert floors["bits_per_pixel_position"] == pytest.approx(2, abs=0.05)
    assert floors["bits_per_pixel_neighbours"] == pytest.approx(0.5, abs=0.1)


def test_pictures_of_one_pixel_are_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("1,a\n2,b\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="must hold pictures of 2x2 pixels or more"):
        NextPixel("stream", 0, **settings | {"path": str(tmp_path / "small.csv")})
