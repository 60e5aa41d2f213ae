"""The figure of an entry."""

from typing import Any

import pytest

from rnnlab.reproductions.draw import draw
from tests.reproductions.test_entry import TREE, read


def finding(values: list[float | None], quartiles: list[float] | None) -> Any:
    about = {"what": "x", "job": "large", "control": False, "paper_value": None, "floor": None}
    return {**about, "must": "> 0", "values": values, "quartiles": quartiles}


@pytest.mark.parametrize("values", [[None, None], [0.5, None], [0.5, 0.7]])
def test_a_number_is_drawn_of_however_many_seeds_have_one(tmp_path, values):
    pytest.importorskip("matplotlib")
    known = [value for value in values if value is not None]
    found = finding(values, known[:1] * 3 or None)
    outcome: Any = {"findings": [found], "seeds": [0, 1]}
    assert draw(read(tmp_path / "mine.yaml", TREE), outcome).startswith(b"\x89PNG")
