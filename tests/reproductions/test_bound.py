"""Bounds as entries of the gallery write them."""

import math

import pytest

from rnnlab.errors import ConfigError
from rnnlab.reproductions.bound import Bound


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("< 0.01", [0.0099, -5], [0.01, 1]),
        ("<= 2", [2, 2.0000001], [2.1]),
        ("> -1e-3", [0], [-0.001]),
        (">= 1", [1, 0.9999999, math.inf], [0.99]),
        ("0.15 to 0.2", [0.15, 0.2], [0.1499, 0.201]),
        ("4 to 4", [4], [3, 5]),
    ],
)
def test_a_bound_holds_what_it_says(text, inside, outside):
    bound = Bound.read(text)
    assert all(map(bound.holds, inside))
    assert not any(map(bound.holds, [*outside, math.nan]))


@pytest.mark.parametrize("text", ["", "0.1", "=< 1", "< x", "2 to 1", "<0.1", "1 to", "< 1 to 2"])
def test_what_is_no_bound_is_refused(text):
    with pytest.raises(ConfigError, match="must be like"):
        Bound.read(text)
