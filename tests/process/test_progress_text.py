"""Rates and times as progress shows them."""

import pytest

from rnnlab.process.progress_text import clock, rate


@pytest.mark.parametrize(
    ("value", "said"), [(0.5, "0.5"), (12.34, "12.3"), (1234, "1.23k"), (5.6e6, "5.6M")]
)
def test_rates_have_three_digits(value, said):
    assert rate(value) == said


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (61.4, "1:01"), (3600, "60:00")])
def test_time_left_is_minutes_and_seconds(seconds, said):
    assert clock(seconds) == said
