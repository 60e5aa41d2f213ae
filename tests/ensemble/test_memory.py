"""The memory of members is counted, and freed memory is kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from rnnlab.config.compose import compose
from rnnlab.ensemble.memory import bytes_of_member, members_that_fit
from tests.small_runs import tiny


def test_states_of_all_steps_are_counted(tmp_path: Path) -> None:
    def count(*words: str) -> int:
        return bytes_of_member(compose(tiny(tmp_path, *words)))

    rows, hidden, steps = 4, 8, 10  # more: of the states alone, four bytes a number
    assert count(f"task.delay={1 + steps}") - count() >= 4 * rows * hidden * steps
    assert count("data.batch_size=4000") > 40 * count()


def test_as_many_members_fit_as_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = compose(tiny(tmp_path))
    one = bytes_of_member(cfg)
    for free, members in ((20 * one, 10), (0, 1), (10**6 * one, 256)):
        monkeypatch.setattr("rnnlab.ensemble.memory._available", lambda free=free: free)
        assert members_that_fit(cfg) == members


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
def test_freed_blocks_are_used_again_without_fresh_pages() -> None:
    code = """
import resource, sys, torch
if sys.argv[1] == "keep":
    from rnnlab.ensemble.memory import keep_freed_blocks
    keep_freed_blocks()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(9): torch.ones(2**24)
before = faults()
for _ in range(5): torch.ones(2**24)
print(faults() - before)
"""
    fresh, kept = (
        int(subprocess.run([sys.executable, "-c", code, mode], capture_output=True).stdout)
        for mode in ("give", "keep")
    )
    if fresh < 1000:
        pytest.skip("this C library keeps them anyway")
    assert kept < fresh / 10
