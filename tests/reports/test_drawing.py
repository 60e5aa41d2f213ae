"""Placing labels."""

import numpy as np
import pytest

from rnnlab.reports.drawing import spread


def test_labels_move_apart_in_their_order_and_no_more_than_needed():
    assert spread([0.5, 0.1, 0.9], 0.1) == pytest.approx([0.5, 0.1, 0.9])
    assert spread([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])
    assert spread([0.0, 0.0], 0.2) == pytest.approx([0.0, 0.2])
    assert spread([1.0, 1.0], 0.2) == pytest.approx([0.8, 1.0])
    heights = np.random.default_rng(0).uniform(0, 1, 9)
    moved = spread(heights.tolist(), 0.08)
    assert np.array_equal(np.argsort(moved), np.argsort(heights))
    assert np.diff(np.sort(moved)).min() >= 0.08 - 1e-9
