"""Trains the same small runs alone and as a group, and compares their files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rnnlab.config.compose import compose
from rnnlab.ensemble import Ended, train_group
from rnnlab.files import checkpoint
from rnnlab.runs.run import Run
from rnnlab.training.train import train

CLOCKS = ("costs", "config", "written")  # the curve is compared as a file


def alone(words: Sequence[list[str]]) -> list[Run]:
    """Train one by one."""
    return [train(compose(each)) for each in words]


def open_group(words: Sequence[list[str]]) -> list[Run]:
    """Make the directories of a group."""
    return [Run.create(compose(each)) for each in words]


def together(runs: Sequence[Run], members: int | None = None) -> list[Ended]:
    """Train as a group, or go on."""
    return train_group(runs, [run.config for run in runs], members=members)


def saved(run: Run, name: str = "last.ckpt") -> dict[str, Any]:
    """Read a checkpoint without times and paths."""
    content = checkpoint.read(run.path / "checkpoints" / name)
    return {key: value for key, value in content.items() if key not in CLOCKS}


def assert_alike(one: Run, other: Run) -> None:
    """Check that two runs have the same files but for rounding."""
    assert one.results.keys() == other.results.keys()
    close(other.results, one.results)
    close(other.rows, one.rows)
    assert one.file("samples.md").is_file() == other.file("samples.md").is_file()
    for name in ("last.ckpt", "best.ckpt"):
        close(saved(other, name), saved(one, name))


def close(one: Any, other: Any, path: str = "") -> None:
    """Compare trees: keys and their order, and numbers with a tolerance."""
    if isinstance(one, dict):
        assert list(one) == list(other), path
        for key in one:
            close(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, (list, tuple)):
        assert type(one) is type(other), path
        assert len(one) == len(other), path
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            close(a, b, f"{path}/{place}")
    elif isinstance(one, (float, torch.Tensor)):
        torch.testing.assert_close(
            one, other, rtol=2e-4, atol=2e-5, equal_nan=True, msg=lambda text: f"{path}: {text}"
        )
    else:
        assert one == other, path


def out(tmp_path: Path, *parts: str) -> str:
    """Return the override of the output directory."""
    return f"output_dir={tmp_path.joinpath(*parts)}"
