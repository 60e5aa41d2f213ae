"""The gallery's command, killed at any moment and called again, ends with the same table."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rnnlab.cli import reproduce
from tests.kills import RUNS, Life, Process
from tests.reproductions.test_entry import TREE
from tests.small_runs import SMALL

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills as POSIX does"),
]

NAMES = {"first": "It learns.", "second": "It learns again."}
WORDS = ["task=copy task.length=3 task.delay=1 model=elman", *SMALL, "trainer.save_every=1"]
MOST = 4
"""Kills of one story."""


def reproduce_all() -> None:
    """Call `rnnlab-reproduce` with a gallery of two entries."""
    from rnnlab.reproductions import entry

    entry.entry_names = lambda: NAMES
    reproduce.main()


def go_on(place: Path, touch: int | None = None) -> Life:
    mine = place / "mine" / "reproduce"
    mine.mkdir(parents=True, exist_ok=True)
    for name, summary in NAMES.items():
        tree = yaml.safe_dump({**TREE, "words": " ".join(WORDS)})
        (mine / f"{name}.yaml").write_text(f"# {summary}\n{tree}")
    words = ["all", "tier=smoke", f"output_dir={place / RUNS}", "--config-dir", str(mine.parent)]
    return Process(words, place, touch=touch, main=reproduce_all).end()


def reports(place: Path) -> dict[str, Any]:
    """What a call left for people, but for seconds."""
    found: dict[str, Any] = {}
    for name in NAMES:
        directory = place / RUNS / "reproduce" / name / "smoke"
        for file in ("table.csv", "values.csv", "report.md"):
            found[f"{name}/{file}"] = (directory / file).read_text().replace(str(place), "")
        outcome = json.loads((directory / "results.json").read_text())
        for took in outcome["jobs"]:
            assert took.pop("cpu_seconds") > 0
        found[name] = outcome
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Life]:
    """What nobody killed."""
    place = tmp_path_factory.mktemp("whole")
    life = go_on(place)
    assert life.status == 0, life.diary
    return reports(place), life


@pytest.mark.parametrize("seed", range(3))
def test_killed_in_the_midst_of_all_it_ends_with_the_same_table(whole, tmp_path, seed):
    due, life = whole
    rng = np.random.default_rng(seed)
    kills = 0
    for _ in range(MOST):  # a later call has less to do, and may come to its end
        now = go_on(tmp_path, int(rng.integers(len(life.touches) // 2)))
        assert now.status <= 0, now.diary
        kills += now.status < 0
    assert kills
    now = go_on(tmp_path)
    assert now.status == 0, now.diary
    overview = [line.split()[:2] for line in now.diary.splitlines()]
    assert all([name, "smoke"] in overview for name in NAMES)
    assert reports(tmp_path) == due
