"""Parity: what is asked, where, and what is known without counting."""

import math
from typing import Any

import pytest
import torch

from rnnlab.spec import Layout
from rnnlab.tasks import Parity

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", **settings: Any) -> Parity:
    return Parity(layout, 0, **{"length": 9, "min_length": None, "answer": "everywhere"} | settings)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("answer", ["last", "everywhere"])
def test_the_target_is_the_parity_of_the_bits_so_far(layout: Layout, answer: Any) -> None:
    batch = make(layout, answer=answer).sample("train", 0, 5)
    bits = batch.input if batch.source is None else batch.source
    parity = bits.cumsum(1) % 2
    asked = parity if answer == "everywhere" else parity[:, -1:]
    assert torch.equal(batch.target[batch.mask], asked.flatten())


def test_layouts_hold_one_content_of_a_drawn_length() -> None:
    for index in range(5):
        stream, cut = (make(layout, min_length=2).sample("val", index, 3) for layout in LAYOUTS)
        assert cut.source is not None
        assert torch.equal(stream.input, cut.source)
        assert 2 <= stream.input.shape[1] <= 9
    assert make().sample("test", 0, 2, length=40).mask.shape == (2, 40)


def test_the_floor_knows_the_first_step_alone() -> None:
    last, everywhere = (make(length=4, answer=a).floor for a in ("last", "everywhere"))
    assert last == {"loss": pytest.approx(math.log(2)), "accuracy": 0.5}
    assert everywhere["accuracy"] == pytest.approx((1 + 3 / 2) / 4)


def test_answers_are_shown_below_the_bits() -> None:
    batch = make(answer="last", length=3).sample("test", 0, 1)
    shown = make(answer="last").show(batch, torch.zeros(1, 3, 2)).splitlines()
    assert shown[0] == "bits    " + "".join(map(str, batch.input[0].tolist()))
    assert shown[2] == "answer  ..0"
