"""Backpropagation through time against errors that somebody else printed."""

import itertools

import pytest

from rnnlab.reproductions.measures.trask import EVERY, PRINTED, errors
from tests.small_runs import assemble

MODEL = ["task=addition_marked", "model=elman", "model.cell.hidden_size=16"]


def found(horizon: str, count: int) -> list[float]:
    words = [*MODEL, "model.cell.activation=sigmoid", f"model.horizon={horizon}"]
    taught = errors(assemble(words).model)
    return [round(each, 8) for each in itertools.islice(taught, 0, EVERY * count, EVERY)]


@pytest.mark.parametrize(
    "count", [2, pytest.param(len(PRINTED), marks=pytest.mark.thorough)], ids=["two", "all"]
)
def test_gradients_through_time_lead_to_the_errors_that_trask_printed(count):
    assert found("null", count) == list(PRINTED[:count])


@pytest.mark.thorough
def test_gradients_of_one_step_lead_elsewhere():
    first, second = found("1", 2)
    assert first == PRINTED[0]
    assert abs(second - PRINTED[1]) > 0.01
