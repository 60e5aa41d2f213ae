"""Strings of grammars: of chosen lengths, as likely as they should be, and what they cost."""

import math

import numpy as np
import pytest

from rnnlab.tasks.grammar import Grammar

LOOP = {"start": {"a": "start", "b": "end"}}  # a* b, each fork by chance
SYMBOLS = "ab"


def numbers(rows: int, steps: int) -> np.ndarray:
    return np.random.default_rng(0).random((rows, steps))


def test_strings_end_with_the_grammar() -> None:
    ids, lengths = Grammar(LOOP, SYMBOLS, 30).strings(numbers(20, 30))
    assert ids.shape == (20, lengths.max())
    for row, length in zip(ids, lengths, strict=True):
        assert row[: length - 1].tolist() == [0] * (length - 1)
        assert row[length - 1] == 1
        assert not row[length:].any()


def test_lengths_are_as_likely_as_among_strings_that_are_short_enough() -> None:
    _, lengths = Grammar(LOOP, SYMBOLS, 3).strings(numbers(20_000, 3))
    shares = np.bincount(lengths, minlength=4)[1:] / len(lengths)
    np.testing.assert_allclose(shares, np.array([4, 2, 1]) / 7, atol=0.01)


@pytest.mark.parametrize("length", [1, 7, 3000])
def test_all_strings_have_an_exact_length(length: int) -> None:
    ids, lengths = Grammar(LOOP, SYMBOLS, length, exact=True).strings(numbers(4, length))
    assert lengths.tolist() == [length] * 4
    assert ids[:, -1].all()
    assert not ids[:, :-1].any()


def test_a_fork_costs_its_entropy() -> None:
    costs = Grammar(LOOP, SYMBOLS, 60).costs(0)
    assert costs["loss_entropy_rate"] == pytest.approx(math.log(2), rel=1e-6)
    assert costs["accuracy"] == pytest.approx(0.5)


def test_who_knows_the_last_symbol_alone_pays_for_what_was_before() -> None:
    """After `x` comes what began the string: `a x a` or `b x b`."""
    arcs = {
        "start": {"a": "a", "b": "b"},
        "a": {"x": "ax"},
        "b": {"x": "bx"},
        "ax": {"a": "end"},
        "bx": {"b": "end"},
    }
    costs = Grammar(arcs, "abx", 3).costs(1)
    assert costs["loss_entropy_rate"] == pytest.approx(0)
    assert costs["loss"] == pytest.approx(math.log(2) / 2)  # x is sure, the last is not
    assert costs["accuracy"] == pytest.approx(3 / 4)
