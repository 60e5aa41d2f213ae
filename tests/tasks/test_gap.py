"""A gap: the strings of the paper, what must be kept, and the floor."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.spec import Batch, Layout
from rnnlab.tasks import Gap

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", **settings: Any) -> Gap:
    return Gap(layout, 0, **{"num_letters": 11, "ordered": True, "length": 4} | settings)


def texts(task: Gap, batch: Batch) -> list[str]:
    before = batch.input[:, :1] if batch.source is None else batch.source
    return ["".join(task.labels(ids)) for ids in torch.cat([before, batch.target], dim=1)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_rows_are_the_two_strings_of_a_gap(layout: Layout) -> None:
    task = make(layout)
    for index in range(5):
        found = texts(task, task.sample("train", index, 2))
        assert sorted(found) == ["XABCDXEFGHIJK", "YABCDYEFGHIJK"]
    assert texts(task, task.sample("test", 0, 1, length=11))[0][1:-1] == "ABCDEFGHIJK"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_letters_in_no_order_come_once_each(layout: Layout) -> None:
    task = make(layout, ordered=False, length=2)
    found = texts(task, task.sample("train", 0, 50))
    assert len({*found}) == 50
    for text in found:
        assert sorted(text.replace(text[0], "")) == [*"ABCDEFGHIJK"]
        assert text[0] == text[3]
    assert abs(sum(text[0] == "X" for text in found) - 25) <= 1


def test_a_gap_is_no_longer_than_the_letters() -> None:
    with pytest.raises(ConfigError, match="length must be at most num_letters=3, got 4"):
        make(num_letters=3)
    with pytest.raises(ConfigError, match="length must be at most num_letters=11, got 12"):
        make().sample("val", 0, 1, length=12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_second_trigger_is_scored_alone(layout: Layout) -> None:
    task = make(layout)
    batch = task.sample("test", 0, 2)
    output = F.one_hot(batch.target, 13).float()
    asked = batch.target < 2
    assert asked.sum() == 2
    output[asked] = F.one_hot(torch.tensor([0, 0]), 13).float()
    scores = {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}
    assert (scores["trigger"], scores["exact_match"]) == (0.5, 0.5)
    answers = task.show(batch, output).splitlines()[2::4]
    assert all("X" in line and "Y" not in line.partition(" ")[2] for line in answers)


def test_the_floor_knows_the_last_symbol_and_guesses_the_trigger() -> None:
    """Of X ABCD X E...K: after X comes A or E, after D comes X or Y; all else is known."""
    assert make().floor["accuracy"] == pytest.approx(1 - 3 * 0.5 / 12)
    assert make(ordered=False, num_letters=2, length=1).floor["accuracy"] == pytest.approx(0.5)
    assert make("encoder_decoder").floor["accuracy"] == pytest.approx(1 - 0.5 / 8)


def test_the_trigger_is_aligned_with_the_first() -> None:
    task = make("encoder_decoder")
    (found,) = task.alignment(task.sample("test", 0, 1)).nonzero().tolist()
    assert found == [0, 0, 0]
    assert make().alignment(make().sample("test", 0, 1)) is None
