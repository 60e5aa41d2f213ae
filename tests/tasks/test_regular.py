"""Regular languages: the machines, beside what they are in words, and what is answered where."""

from typing import Any

import numpy as np
import pytest
import torch

from rnnlab.spec import Batch, Layout
from rnnlab.tasks import Regular
from rnnlab.tasks.moore import NOTHING, Machine

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]
LANGUAGES = ["even_pairs", "cycle_navigation", "modular_arithmetic"]


def make(layout: Layout = "stream", **settings: Any) -> Regular:
    given = {"length": 9, "min_length": None, "answer": "everywhere"} | settings
    return Regular(layout, 0, **given)


def meaning(language: str, text: str) -> int:
    """Say what a text amounts to, without a machine."""
    if language == "even_pairs":
        return (text.count("ab") + text.count("ba")) % 2 == 0
    if language == "cycle_navigation":
        return (text.count("+") - text.count("-")) % 5
    return eval(text) % 5


def read(batch: Batch) -> torch.Tensor:
    return batch.input if batch.source is None else batch.source


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_answer_is_what_the_symbols_so_far_amount_to(layout: Layout, language: str) -> None:
    task = make(layout, language=language)
    batch = task.sample("train", 0, 60)
    stride = 2 if language == "modular_arithmetic" else 1
    assert read(batch).shape == (60, 8 * stride + 1)
    for row, target, mask in zip(read(batch), batch.target, batch.mask, strict=True):
        text = "".join(task.labels(row))
        right = [meaning(language, text[: end + 1]) for end in range(0, len(text), stride)]
        assert target[mask].tolist() == right


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_at_the_last_step_the_same_is_answered(layout: Layout, language: str) -> None:
    last, everywhere = (
        make(layout, language=language, answer=answer).sample("val", 3, 20)
        for answer in ("last", "everywhere")
    )
    assert torch.equal(read(last), read(everywhere))
    assert last.mask.sum(1).tolist() == [1] * 20
    assert torch.equal(last.target[last.mask], everywhere.target[:, -1])


@pytest.mark.parametrize("answer", ["last", "everywhere"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_floor_is_the_commonest_answer_to_each_symbol(language: str, answer: str) -> None:
    task = make(language=language, answer=answer, min_length=3, length=5)
    counts = np.zeros((8, 5))
    for index in range(300):
        batch = task.sample("train", index, 64)
        np.add.at(counts, (batch.input[batch.mask], batch.target[batch.mask]), 1)
    assert counts.max(1).sum() / counts.sum() == pytest.approx(task.floor["accuracy"], abs=0.02)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    nats = -(counts * np.log(np.where(counts > 0, shares, 1))).sum() / counts.sum()
    assert nats == pytest.approx(task.floor["loss"], abs=0.02)


def test_only_symbols_with_a_transition_are_drawn() -> None:
    machine = Machine(np.array([[NOTHING, 1, 0], [0, NOTHING, NOTHING]]), np.arange(2), 0)
    symbols = machine.strings(np.random.default_rng(0).random((400, 6)))
    assert NOTHING not in machine.answers(symbols)
    assert (symbols[:, 0] == 1).mean() == pytest.approx(0.5, abs=0.1)


def test_answers_are_shown_below_the_symbols() -> None:
    task = make(language="modular_arithmetic", length=2)
    batch = task.sample("test", 0, 1)
    shown = task.show(batch, torch.zeros(1, 3, 5)).splitlines()
    assert shown[0] == "input   " + "".join(task.labels(batch.input[0]))
    assert shown[2] == "answer  0.0"


def test_answers_are_named_apart_from_symbols() -> None:
    task = make(language="cycle_navigation")
    assert task.labels(torch.arange(3)) == ["0", "+", "-"]
    assert task.answer_labels(torch.arange(5)) == [*"01234"]
