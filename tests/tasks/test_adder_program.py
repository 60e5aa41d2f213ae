"""Addition as a program: what it does with each column, and digits that need a carry."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from rnnlab.spec import Batch, Layout
from rnnlab.tasks import AdderProgram

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", **settings: Any) -> AdderProgram:
    given = {"base": 4, "announce": "before_next", "length": 3, "min_length": None} | settings
    return AdderProgram(layout, 0, **given)


def program(left: str, right: str, base: int, *, announce: str | None) -> str:
    """Write the program of a sum, highest digit first, a column after the other."""
    text, carry = "", 0
    for a, b in zip(reversed(left), reversed(right), strict=True):
        carry, digit = divmod(int(a) + int(b) + carry, base)
        said = {"before_next": "CN", "as_next": "C", None: "N"}[announce]
        text += f"{digit}{said if carry else 'N'}"
    return f"{text}{'1' * carry}D"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("announce", ["before_next", "as_next", None])
@pytest.mark.parametrize("base", [2, 4, 10])
def test_programs_add(layout: Layout, announce: str | None, base: int) -> None:
    task = make(layout, announce=announce, base=base)
    batch = task.sample("train", 0, 60)
    sizes = set()
    for row in range(60):
        one = Batch._make(None if part is None else part[row : row + 1] for part in batch)
        shown = task.show(one, F.one_hot(one.target, base + 3).float())
        left, plus, right, said = shown.replace(":", "").split()
        assert (plus, said) == ("+", program(left, right, base, announce=announce))
        sizes.add(len(left))
    assert sizes == {1, 2, 3}


def test_a_column_stays_until_the_next_is_asked_for() -> None:
    """13 + 23 in base 4, with the carry of each column."""
    task = make()
    found = None
    for index in range(200):
        batch = task.sample("test", index, 64, length=2)
        rows = [row for row in range(64) if task.labels(batch.input[row])[::3][:2] == ["33", "12"]]
        if rows:
            found = batch, rows[0]
            break
    assert found
    batch, row = found
    assert task.labels(batch.input[row]) == ["33"] * 3 + ["12"] * 3 + ["_"] * 2
    assert "".join(task.labels(batch.target[row])) == "2CN0CN1D"


def test_the_decoder_reads_its_last_action_and_the_encoder_the_columns() -> None:
    stream, cut = (make(layout).sample("val", 1, 30) for layout in LAYOUTS)
    assert torch.equal(stream.target, cut.target)
    assert torch.equal(stream.mask, cut.mask)
    following = cut.mask[:, 1:]
    assert torch.equal(cut.input[:, 1:][following], cut.target[:, :-1][following])
    assert (cut.input[:, 0] == 7).all()
    assert cut.source is not None
    assert torch.equal(cut.source[:, 0], stream.input[:, 0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_digits_after_a_carry_are_scored_apart(layout: Layout) -> None:
    """Who never knows of a carry is right on all columns without one, and on no other."""
    task = make(layout)
    batch = task.sample("test", 0, 200)
    columns = task._columns(batch)
    total = columns.unflatten(2, (2, 4)).argmax(3).sum(2)
    writes = (batch.target < 4) & columns.any(2) & batch.mask
    blind = torch.where(writes, total % 4, batch.target)
    scores = task.metrics(F.one_hot(blind, 7).float(), batch)
    assert {n: float(scores[n].value) for n in ("after_carry", "after_none")} == {
        "after_carry": 0,
        "after_none": 1,
    }
    firsts = int((batch.mask.sum(1) > 0).sum())
    scored = scores["after_carry"].weight + scores["after_none"].weight
    assert int(scored) == int(writes.sum()) - firsts


def test_the_floor_is_that_of_a_column_alone() -> None:
    """Of `0N D`, twice `1N D`, and `0N 1D`: 8 actions by even chances, and 4 of 5 ends are D."""
    floor = make(announce=None, length=1, base=2).floor
    assert floor["accuracy"] == pytest.approx((4 + 4) / 13, abs=0.01)
    ends = 4 * math.log(5 / 4) + math.log(5)
    assert floor["loss"] == pytest.approx((8 * math.log(2) + ends) / 13, abs=0.01)
