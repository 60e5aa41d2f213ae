"""Training from Python: `compose`, `train`, `resume` and `load`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rnnlab.config import compose as composing
from rnnlab.config.arguments import Settings, as_overrides
from rnnlab.config.build import check
from rnnlab.config.packages import allow_packages
from rnnlab.config.sources import ConfigSource, using_source
from rnnlab.errors import ConfigError
from rnnlab.process.garbage import gc_paused
from rnnlab.process.untouched import process_untouched
from rnnlab.runs.run import Run

_ELSEWHERE = {
    "resume": "rnnlab.resume goes on with a run",
    "sweep": "rnnlab.sweep trains the runs of a sweep",
    "sweep_name": "rnnlab.sweep trains the runs of a sweep",
    "on_error": "rnnlab.sweep trains the runs of a sweep",
    "dry_run": "rnnlab.compose checks settings and trains nothing",
    "trial": composing.NO_TRIAL,
}
"""Words of `rnnlab-train` that are no settings of a run."""


@process_untouched()
def compose(*settings: Settings, config_dir: str | Path | None = None, **named: Any) -> DictConfig:
    """Compose a config and check it, as `rnnlab-train dry_run=true` does; nothing is written.

    Args:
        *settings: as for `train`.
        config_dir: as for `train`.
        **named: as for `train`.

    Returns:
        All settings of the run: `cfg.optimizer.lr`.

    Raises:
        ConfigError: a line for each setting that is wrong.

    Example:
        >>> rnnlab.compose("model=gru task=copy").model.cell.hidden_size
    """
    with using_source(ConfigSource.at(config_dir)):
        cfg = _compose(as_overrides(settings, named))
        check(cfg)
    return cfg


@process_untouched()
def train(*settings: Settings, config_dir: str | Path | None = None, **named: Any) -> Run:
    """Train a new run, as `rnnlab-train` does.

    A process trains one run at a time: a second thread waits. Random numbers, threads and other
    global state are afterwards as they were.

    Args:
        *settings: texts as on a command line (`"model=lstm task=copy"`), lists of them, or mappings
            (`{"trainer.max_steps": 500}`, also nested).
        config_dir: a directory of your own configs, as `--config-dir`; packages of your own are
            named by `packages=["mypkg"]`.
        **named: settings, such as `model="lstm"`; dotted ones as `**{"optimizer.lr": 1e-3}`.

    Returns:
        The run, with its results, curve, figures and trained model.

    Raises:
        ConfigError: a setting is wrong; nothing was written.
        Diverged: the loss or its gradient is not finite.
        Interrupted: it was stopped, as by Ctrl-C; `resume` goes on.
        RunLost: the run directory can't be written any more.

    Example:
        >>> run = rnnlab.train("task=copy task.delay=5", model="lstm", trainer={"max_steps": 500})
        >>> run.results["test"]["accuracy"]
    """
    overrides = as_overrides(settings, named)
    with using_source(ConfigSource.at(config_dir)):
        cfg = _compose(overrides)
        with gc_paused():
            from rnnlab.training.train import train

        run = train(cfg, overrides=composing.overrides_of_run(overrides))
    return Run(run.path.absolute())


@process_untouched()
def resume(run: Run | str | Path, *settings: Settings, **named: Any) -> Run:
    """Go on with a run from its last checkpoint, as `rnnlab-train resume=DIR` does.

    It ends as if it had never stopped. A run that has finished is left as it is, unless its budget
    is larger now.

    Args:
        run: the run, or its directory.
        *settings: settings that may change, above all budgets, in any form that `train` takes.
        **named: as for `train`.

    Returns:
        The run.

    Raises:
        ConfigError: the run can't be resumed with these settings; nothing was changed.
        Diverged: as for `train`, and so are Interrupted and RunLost.

    Example:
        >>> run = rnnlab.resume(run, {"trainer.max_steps": 900})
    """
    overrides = as_overrides(settings, named)
    opened = open_run(run, "resume")
    with gc_paused():  # only now, since torch takes seconds that a mistake needn't wait for
        from rnnlab.training.train import resume

    made = resume(opened, overrides)
    return made if isinstance(run, Run) else Run(made.path.absolute())


def load(run: str | Path, packages: Sequence[str] = ()) -> Run:
    """Open the directory of an earlier run.

    Args:
        run: the run directory.
        packages: packages of your own whose classes the run's config may name.

    Returns:
        The run, whose files are read when they are asked for.

    Raises:
        ConfigError: it is not a run directory, or a package can't be imported.

    Example:
        >>> rnnlab.load("outputs/copy/lstm/2026-01-01_12-00-00-abc123").plot()
    """
    allow_packages([packages] if isinstance(packages, str) else packages)
    return Run(open_run(run).path.absolute())


def open_run(run: Run | str | Path, key: str = "run") -> Run:
    """Return a run, or open one whose directory is given.

    Args:
        run: the run, or its directory.
        key: the argument that named it, for errors.

    Raises:
        ConfigError: it is not a run directory.
    """
    if isinstance(run, Run):
        return Run(run.path)  # without what is cached, which may have changed since
    if not isinstance(run, str | Path):
        raise ConfigError(f"run must be a run or its directory, got {run!r}")
    return Run.load(run, key)


def _compose(overrides: list[str]) -> DictConfig:
    """Compose the config of one run.

    Raises:
        ConfigError: a setting is wrong, or is none of a run.
    """
    keys = dict.fromkeys(override.partition("=")[0].lstrip("+~") for override in overrides)
    if wrong := [
        f"{key} is no setting of a run: {_ELSEWHERE[key]}" for key in keys if key in _ELSEWHERE
    ]:
        raise ConfigError("\n".join(wrong))
    return composing.compose(overrides)
