"""Temporal order: where the relevant symbols stand, and which class they make."""

from typing import Any

import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout
from rnnlab.tasks import TemporalOrder

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", *, num_relevant: Any = 2, length: int = 98) -> TemporalOrder:
    return TemporalOrder(layout, 0, num_relevant=num_relevant, length=length)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("num_relevant", [2, 3])
def test_the_class_is_the_order_of_the_relevant_symbols(layout: Layout, num_relevant: int) -> None:
    task = make(layout, num_relevant=num_relevant)
    batch = task.sample("train", 0, 200)
    read = batch.input if batch.source is None else batch.source
    classes = set()
    for row, target, mask in zip(read, batch.target, batch.mask, strict=True):
        relevant = "".join(task.labels(row[(row == 5) | (row == 6)]))
        assert task.name(int(target[mask])) == relevant
        classes.add(relevant)
    assert len(classes) == 2**num_relevant


@pytest.mark.parametrize(
    ("num_relevant", "windows"), [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])]
)
def test_sequences_are_those_of_the_paper(num_relevant: int, windows: list[Any]) -> None:
    batch = make(num_relevant=num_relevant).sample("train", 0, 2000)
    places = [((row == 5) | (row == 6)).nonzero().flatten().tolist() for row in batch.input]
    for number, window in enumerate(windows):
        found = [place[number] for place in places]
        assert (min(found), max(found)) == window
    steps = batch.mask.int().argmax(1) + 1
    assert (int(steps.min()), int(steps.max())) == (100, 110)
    assert (batch.input[:, 0] == 0).all()
    assert (batch.input.gather(1, steps[:, None] - 1) == 7).all()
    shares = batch.target[batch.mask].bincount() / 2000
    assert shares.tolist() == pytest.approx([0.5**num_relevant] * 2**num_relevant, abs=0.04)


@pytest.mark.parametrize("num_relevant", [2, 3])
def test_in_short_sequences_each_relevant_symbol_has_a_place(num_relevant: int) -> None:
    task = make(num_relevant=num_relevant)
    for length in range(3, 60):
        read = task.sample("test", 0, 50, length=length).input
        assert (((read == 5) | (read == 6)).sum(1) == num_relevant).all()
    with pytest.raises(ConfigError, match="length must be 3 or more, got 2"):
        task.sample("test", 0, 1, length=2)


def test_layouts_hold_one_content() -> None:
    stream, cut = (make(layout).sample("val", 1, 9) for layout in LAYOUTS)
    assert cut.source is not None
    assert torch.equal(stream.input, cut.source)
    assert torch.equal(stream.target[stream.mask], cut.target[cut.mask])


def test_a_wrong_class_is_shown_beside_the_right_one() -> None:
    task = make(length=3)
    batch = task.sample("test", 0, 1)
    right = int(batch.target[batch.mask])
    output = torch.zeros(1, batch.mask.shape[1], 4)
    output[..., (right + 1) % 4] = 1
    line = task.show(batch, output)
    assert line.startswith("E")
    assert f"B  {task.name(right)}   claims {task.name((right + 1) % 4)}  x" in line


def test_answers_are_named_by_their_classes() -> None:
    assert make().answer_labels(torch.arange(4)) == ["XX", "XY", "YX", "YY"]
