"""When an axis is logarithmic."""

import math

import pytest

from rnnlab.plots.decades import spans_decades


@pytest.mark.parametrize(
    ("values", "wide"),
    [
        ([], False),
        ([1.0], False),
        ([1, 19.9], False),
        ([20, 1], True),
        ([0.0, 1e3], False),
        ([-1, 1e3], False),
        ([math.nan, 1.0], False),
    ],
)
def test_an_axis_is_logarithmic_where_positive_values_differ_by_decades(values, wide):
    assert spans_decades(values) == wide
    assert not spans_decades(values, factor=math.inf)
