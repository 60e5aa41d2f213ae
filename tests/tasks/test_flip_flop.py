"""Flip-flops: what is held, how often it changes, and what is known without holding it."""

from typing import Any

import pytest
import torch

from rnnlab.spec import Layout
from rnnlab.tasks import FlipFlop

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", **settings: Any) -> FlipFlop:
    given = {"num_bits": 3, "pulse_share": 0.2, "length": 30, "min_length": None} | settings
    return FlipFlop(layout, 0, **given)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_output_holds_the_sign_of_the_last_pulse(layout: Layout) -> None:
    batch = make(layout).sample("train", 0, 20)
    pulses = batch.input if batch.source is None else batch.source
    held = torch.zeros_like(pulses[:, 0])
    for pulse, target in zip(pulses.unbind(1), batch.target.unbind(1), strict=True):
        held = torch.where(pulse != 0, pulse, held)
        assert torch.equal(target, held)
    assert pulses[:, 0].abs().eq(1).all()
    assert pulses[:, 1:].abs().mean() == pytest.approx(0.2, abs=0.03)
    assert pulses.sum() / pulses.abs().sum() == pytest.approx(0, abs=0.1)


def test_layouts_hold_one_content_of_a_drawn_length() -> None:
    for index in range(5):
        stream, cut = (make(layout, min_length=5).sample("val", index, 3) for layout in LAYOUTS)
        assert torch.equal(stream.input, cut.source)
        assert torch.equal(stream.target, cut.target)
        assert not cut.input.any()
        assert 5 <= stream.input.shape[1] <= 30


def test_the_floor_is_what_the_input_of_a_step_tells() -> None:
    task = make(min_length=10)
    found: dict[str, list[tuple[float, float]]] = {"loss": [], "accuracy": []}
    for index in range(200):
        batch = task.sample("test", index, 64)
        scores = task.metrics(batch.input + 1e-6, batch)  # a guess of + where there is no pulse
        for name, values in found.items():
            values.append((float(scores[name].value), float(scores[name].weight)))
    for name, values in found.items():
        mean = sum(value * weight for value, weight in values) / sum(w for _, w in values)
        assert mean == pytest.approx(task.floor[name], abs=0.01), name


def test_a_sequence_with_a_wrong_sign_is_no_match() -> None:
    task = make(length=4)
    batch = task.sample("test", 0, 2)
    output = 0.1 * batch.target
    output[0, 3, 2] *= -1
    scores = task.metrics(output, batch)
    assert float(scores["accuracy"].value) == pytest.approx(23 / 24)
    assert float(scores["exact_match"].value) == 1 / 2


def test_a_panel_is_drawn_for_each_bit() -> None:
    heights = []
    for num_bits in (3, 5):
        task = make(num_bits=num_bits)
        batch = task.sample("test", 0, 1)
        heights.append(task.show(batch, batch.target).size[1])
    assert heights[0] < heights[1]
