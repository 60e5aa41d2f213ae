"""rnnlab: build, train, compare and look inside recurrent sequence models."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnlab.runs.run import Run

__version__ = "0.1.0"
__all__ = ["load", "resume", "train"]


def train(overrides: list[str]) -> "Run":
    """Train a new run as `rnnlab-train` does, from Python.

    `rnnlab.train(["model=lstm", "task=copy"])` returns a run with `results`, `model`, `task`
    and `curve`. Random generators, threads and other global state of the process are restored
    afterwards. A process trains one run at a time: a second thread waits.

    Args:
        overrides: Hydra's overrides, as on the command line.

    Raises:
        ConfigError: a setting is wrong; nothing was written.
    """
    from rnnlab.config.compose import compose
    from rnnlab.runs.run import Run
    from rnnlab.training.train import train

    recorded = dict(override.partition("=")[::2] for override in overrides)
    return Run(train(compose(overrides), overrides=recorded).path.absolute())


def resume(path: str | Path, overrides: Sequence[str] = ()) -> "Run":
    """Resume an interrupted run from its last checkpoint, as if it had never stopped.

    Args:
        path: the run directory.
        overrides: overrides of settings that may change, such as a larger `trainer.max_steps`.

    Raises:
        ConfigError: the run can't be resumed with these settings; nothing was changed.
    """
    from rnnlab.runs.run import Run
    from rnnlab.training.train import resume

    return resume(Run.load(Path(path).absolute()), list(overrides))


def load(path: str | Path, packages: Sequence[str] = ()) -> "Run":
    """Open the directory of an earlier run.

    Args:
        path: the run directory.
        packages: the caller's packages whose classes the run's config may name.

    Raises:
        ConfigError: it is not a run directory, or a package can't be imported.
    """
    from rnnlab.config.packages import allow_packages
    from rnnlab.runs.run import Run

    allow_packages(packages)
    return Run.load(Path(path).absolute())
