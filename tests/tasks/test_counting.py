"""Counting: which strings there are, which symbols are legal, and how sides of 0.5 are scored."""

from typing import Any

import pytest
import torch

from rnnlab.spec import Layout
from rnnlab.tasks import Counting

STRINGS = {"anbn": "aabb", "anbncn": "aabbcc", "anbncndn": "aabbccdd", "anb2n": "aabbbb"}
LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", language: Any = "anbn", **settings: Any) -> Counting:
    return Counting(layout, 0, language=language, **{"length": 4, "min_length": None} | settings)


def legal(text: str) -> list[set[str]]:
    """Say by hand what can come next: after an a also another one, else what comes."""
    return [{*"ab"} if now == "a" else {after} for now, after in zip("$" + text, text + "$")]  # noqa: B905


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", STRINGS)
def test_after_each_symbol_the_legal_ones_are_asked(layout: Layout, language: str) -> None:
    task = make(layout, language)
    batch = task.sample("test", 0, 2, length=2)
    skipped = 0 if layout == "stream" else 2
    text = STRINGS[language]
    assert task.labels(batch.input[1]) == [*"$" + text][skipped:]
    sets = [{task.labels(torch.tensor([i]))[0] for i in row.nonzero()} for row in batch.target[1]]
    assert sets == legal(text)[skipped:]
    if batch.source is not None:
        assert task.labels(batch.source[0]) == [*"$aa"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_string_draws_its_number(layout: Layout) -> None:
    batch = make(layout, min_length=2).sample("train", 0, 200)
    if batch.source_mask is None:
        numbers = (batch.mask.sum(1) - 1) // 2
    else:
        numbers = batch.mask.sum(1) - 1
        assert torch.equal(batch.source_mask.sum(1) - 1, numbers)
    assert set(numbers.tolist()) == {2, 3, 4}
    assert not batch.input[~batch.mask].any()
    assert not batch.target[~batch.mask].any()


def test_a_string_is_right_if_all_outputs_are_on_their_side() -> None:
    task = make()
    batch = task.sample("test", 0, 2, length=1)
    output = 0.2 + 0.6 * batch.target
    found = {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}
    assert found == {"loss": pytest.approx(0.04), "accuracy": 1, "exact_match": 1}
    output[0, 2, 1] = 0.51  # of 3 steps of 3 outputs in 2 strings
    found = {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}
    assert (found["accuracy"], found["exact_match"]) == (pytest.approx(17 / 18), 1 / 2)
    assert task.show(batch, output).splitlines() == [
        "input   $  a  b",
        "next    a  ab $",
        "answer  a  ab $a",
        "",
        "input   $  a  b",
        "next    a  ab $",
    ]


def test_the_floor_guesses_when_the_letters_end() -> None:
    """Of n from 1 to 3 the b's are 6, of which 3 are last: two outputs of three are guesses."""
    floor = make(length=3).floor
    assert floor["loss"] == pytest.approx(6 * 2 * 0.25 / (15 * 3))
    assert floor["accuracy"] == pytest.approx(1 - 6 * 2 * 0.5 / (15 * 3))
