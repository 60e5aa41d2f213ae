"""The latching problem: what tells the class, what is noise, and how long a sequence is."""

from typing import Any

import pytest
import torch

from rnnlab.spec import Layout
from rnnlab.tasks import Latch

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", **settings: Any) -> Latch:
    given = {"told_steps": 3, "noise": 0.5, "length": 20, "min_length": None} | settings
    return Latch(layout, 0, **given)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_first_steps_tell_what_is_asked_at_the_last(layout: Layout) -> None:
    batch = make(layout).sample("train", 0, 300)
    read = batch.input if batch.source is None else batch.source
    classes = batch.target[batch.mask]
    assert torch.equal(read[:, :3, 0], (2.0 * classes - 1)[:, None].expand(-1, 3))
    assert classes.float().mean() == pytest.approx(0.5, abs=0.1)
    known = batch.source_mask
    if known is None:
        known = batch.mask.flip(1).cumsum(1).flip(1) > 0
    assert set(known.sum(1).tolist()) == set(range(10, 21))
    assert not read[~known].any()
    noise = read[:, 3:][known[:, 3:]]
    assert noise.abs().max() <= 0.5
    assert noise.std() == pytest.approx(0.5 / 3**0.5, rel=0.05)


def test_layouts_hold_one_content() -> None:
    stream, cut = (make(layout).sample("val", 1, 9) for layout in LAYOUTS)
    assert torch.equal(stream.input, cut.source)
    assert torch.equal(stream.target[stream.mask], cut.target[cut.mask])


def test_a_length_is_that_of_all() -> None:
    batch = make().sample("test", 0, 5, length=33)
    assert batch.mask.nonzero()[:, 1].tolist() == [32] * 5
    assert make(min_length=20).sample("test", 0, 5).mask.shape == (5, 20)


def test_a_wrong_class_is_shown_beside_the_right_one() -> None:
    task = make(length=4, min_length=4)
    batch = task.sample("test", 0, 1)
    right = int(batch.target[batch.mask])
    shown = task.show(batch, torch.eye(2)[1 - right].expand(1, 4, 2))
    assert shown.split()[:3] == [f"{2.0 * right - 1:.2f}"] * 3
    assert shown.endswith(f"  {task.name(right)}   claims {task.name(1 - right)}  x")
