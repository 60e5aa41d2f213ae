"""Names of metrics in words."""

import pytest

from rnnlab.metric import words


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("test/accuracy", "accuracy"),
        ("test/free_bits_per_char", "bits per character, running free"),
        ("val/exact_match", "validation exact match"),
        ("train/loss", "training loss"),
        ("test/bleu", "BLEU"),
        ("seconds", "seconds of training"),
        ("parameters", "parameters"),
        ("test/my_own_score", "my own score"),
    ],
)
def test_metrics_are_named_as_one_says_them(metric, text):
    assert words(metric) == text
