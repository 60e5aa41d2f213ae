"""rnnlab: build, train, compare and look inside recurrent sequence models."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnlab.run import Run

__version__ = "0.1.0"
__all__ = ["load", "train"]


def train(overrides: list[str]) -> "Run":
    """Run an experiment as `rnnlab-train` does, from Python.

    `rnnlab.train(["model=lstm", "task=copy"])` gives a run with `results`, `model`, `task`
    and `curve`.

    Args:
        overrides: what would stand on the command line.

    Raises:
        ConfigError: a setting is wrong; nothing was written.
    """
    from rnnlab.compose import compose
    from rnnlab.run import Run
    from rnnlab.training import train

    return Run(train(compose(overrides)).path.absolute())


def load(path: str) -> "Run":
    """Open the directory of an earlier run.

    Raises:
        ConfigError: it isn't one.
    """
    from rnnlab.run import Run

    return Run.load(Path(path).absolute())
