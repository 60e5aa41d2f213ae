"""A sweep of 64 runs that is killed several times ends as one that was not killed."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rnnlab.runs.run import Run
from tests.ensemble.groups import assert_alike
from tests.kills import Process, half_written
from tests.same import assert_same
from tests.small_runs import tiny

RUNS, KILLS = 64, 3
# A group adds in another order than a run alone, and so does one that is smaller after a kill.
ALIKE: dict[str, Callable[[Run, Run], None]] = {"vectorized": assert_alike, "basic": assert_same}

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills as POSIX does"),
]


def begin(launcher: str, place: Path, touch: int | None = None) -> Process:
    words = [
        "seed=range(64)",
        f"hydra/launcher={launcher}",
        "trainer.max_steps=2",
        "trainer.val_every=1",
    ]
    return Process(["-m", *tiny(place / "runs", "sweep_name=s", *words)], place, touch=touch)


def runs(place: Path) -> dict[str, Run]:
    directories = place.glob("runs/sweeps/s/[!.]*/")
    return {path.name: Run.load(path) for path in directories}


def ends(place: Path) -> dict[str, str]:
    cards = {name: run.card for name, run in runs(place).items()}
    return {name: card["ended"] for name, card in cards.items() if card["status"] == "finished"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], dict[str, Run]]:
    """Start the sweep that is not killed; returns a function that waits for its runs."""
    place = tmp_path_factory.mktemp("whole")
    process = begin("basic", place)

    @cache
    def finish() -> dict[str, Run]:
        life = process.end()
        assert life.status == 0, life.diary
        return runs(place)

    return finish


@pytest.mark.parametrize("launcher", ALIKE)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 9))]
)
def test_a_killed_sweep_resumes_without_loss(tmp_path, whole, launcher, seed):
    rng = np.random.default_rng(seed)
    done, met = dict[str, str](), 0
    while True:
        # A run alone touches its files a hundred times, and 64 as a group do some 4000 times.
        touch = int(rng.integers(2000)) if met < KILLS else None
        life = begin(launcher, tmp_path, touch).end()
        assert done.items() <= ends(tmp_path).items(), "a finished run was done again"
        done = ends(tmp_path)
        assert [problem for run in runs(tmp_path).values() for problem in half_written(run)] == []
        if life.status == 0:
            break
        assert life.status == -9, life.diary
        met += 1
    assert met == KILLS
    killed = runs(tmp_path)
    assert len(killed) == RUNS
    assert sorted(killed) == sorted(whole())
    for name, run in killed.items():
        assert not list(run.path.rglob("*.part"))
        ALIKE[launcher](run, whole()[name])
