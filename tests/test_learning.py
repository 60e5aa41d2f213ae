"""What must be learnt, a slow test a target; the numbers stand in `scripts/learn.py`."""

import json
from pathlib import Path
from typing import Any

import pytest

import learn


@pytest.fixture(scope="module")
def known() -> dict[Any, Any]:
    return {}  # two targets may look at the same run


@pytest.mark.slow
@pytest.mark.parametrize("name", learn.TARGETS)
def test_a_pair_learns_what_the_readme_says(
    name: str, known: dict[Any, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = learn.TARGETS[name]
    value, _ = learn.reach(target, 0, Path(tmp_path_factory.mktemp("learn")), known)
    assert target.holds(value), f"{target.quantity} must be {target.promise}, got {value}"


@pytest.mark.parametrize("name", learn.TARGETS)
def test_the_table_holds_every_target_and_each_was_reached_in_its_budget(name: str) -> None:
    record = json.loads(learn.RECORD.read_text(encoding="utf-8"))
    assert name in record
    assert learn.TARGETS[name].holds(record[name]["median"])
    # The budget is held to by the recorded run, not by a clock in a test.
    assert record[name]["cpu_seconds"] <= learn.TARGETS[name].seconds
    assert f"`{record[name]['command']}`" in learn.README.read_text(encoding="utf-8")
