"""Hydra's application: it composes what a command line says, and trains a run or a sweep."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnlab.errors import ConfigError, Diverged, RunLost
from rnnlab.process.rank import is_launched_rank

if TYPE_CHECKING:
    from rnnlab.config.hydra_line import Line

TrainAlone = Callable[[DictConfig, Sequence[str], Mapping[str, Any]], None]
"""Trains a run from a config, the overrides and the choices from groups that Hydra composed."""
_OUTPUT_KEYS = (
    *("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"),
    *("hydra.output_subdir", "hydra.job.chdir"),
)
"""Hydra's keys of output directories."""


def run_hydra(line: "Line", train_alone: TrainAlone) -> Path | None:
    """Compose what a command line says, and train the run or the jobs of the sweep.

    Args:
        line: the command line.
        train_alone: trains a run that is no job of a sweep.

    Returns:
        The directory of the sweep, or `None` if it is none. Jobs that failed have recorded that.

    Raises:
        ConfigError: a setting is wrong; nothing was written.
        Interrupted: training was stopped by a signal.
    """
    from rnnlab.config.sources import using_source

    with _hydra_restored(), using_source(line.source):
        return _compose_and_train(line, train_alone)


@contextmanager
def _hydra_restored() -> Iterator[None]:
    """Restore what Hydra changes in this process, whose caller may be a Hydra application too."""
    from hydra.core.hydra_config import HydraConfig

    from rnnlab.config.sources import isolated_hydra

    argv, errors = [*sys.argv], os.environ.get("HYDRA_FULL_ERROR")
    config = HydraConfig.instance().cfg
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise its errors instead of exiting
    try:
        with isolated_hydra():
            yield
    finally:
        sys.argv, HydraConfig.instance().cfg = argv, config
        del os.environ["HYDRA_FULL_ERROR"]
        if errors is not None:
            os.environ["HYDRA_FULL_ERROR"] = errors


def _compose_and_train(line: "Line", train_alone: TrainAlone) -> Path | None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import RunMode

    from rnnlab.config.base_run import overrides_of_base
    from rnnlab.config.explain import explain, explain_options
    from rnnlab.config.overrides import with_quoted_paths
    from rnnlab.config.packages import allow_packages_of
    from rnnlab.config.sources import VERSION, config_directory

    if line.unknown:
        raise ConfigError(explain_options(line.unknown, line.overrides))
    overrides = with_quoted_paths(line.overrides, several=line.many)
    if not is_launched_rank():  # Lightning adds such overrides to the command of launched ranks
        _check_output_keys(overrides)
    allow_packages_of(overrides)
    base = overrides_of_base(overrides)  # first, since `overrides` may change them
    sys.argv[1:] = [*line.options, *base, *overrides, *_search_path(overrides)]
    sweep = Path()
    problems: list[Exception] = []

    @hydra.main(config_path=str(config_directory()), config_name="train", **VERSION)
    def run(cfg: DictConfig) -> str | None:
        composed = HydraConfig.get()
        try:
            passed: Any = OmegaConf.to_container(composed.overrides.task, resolve=False)
            own = [override for override in passed if override not in base]
            if composed.mode == RunMode.MULTIRUN:
                return _run_job(cfg, own, overrides, sweep)
            train_alone(cfg, own, composed.runtime.choices)
        except (ConfigError, Diverged, RunLost) as error:
            problems.append(error)  # Hydra would print a line of its own
        return None

    try:
        if line.many:
            with _named_sweep(overrides) as sweep:
                run()
        else:
            run()
    except ConfigError:
        raise
    except Exception as error:
        # Hydra raises a bare ValueError for some mistakes.
        if isinstance(error, (HydraException, OmegaConfBaseException)) or _is_of_hydra(error):
            raise ConfigError(explain(error, [*base, *overrides], grid=line.many)) from error
        raise
    if problems:
        raise problems[0]
    if not line.many:
        return None
    from rnnlab.sweeps import progress

    if not is_launched_rank() and not progress.is_dry(overrides):
        progress.remove_if_empty(sweep)
    return sweep


@contextmanager
def _named_sweep(overrides: Sequence[str]) -> Iterator[Path]:
    """Pass a sweep's name to Hydra, and yield its directory; undo both if the sweep is refused."""
    from rnnlab.sweeps import progress

    name = progress.name_override(overrides)
    sys.argv += name
    sweep = progress.checked_directory([*overrides, *name])
    with ExitStack() as stack:
        if not is_launched_rank():
            stack.enter_context(progress.undone_if_refused(sweep))
        sys.argv += stack.enter_context(progress.directory_overrides(overrides, sweep))
        yield sweep


def _run_job(
    cfg: DictConfig, overrides: Sequence[str], of_sweep: Sequence[str], sweep: Path
) -> str:
    """Run one job of a sweep, and return its run directory.

    Args:
        cfg: the config that Hydra composed.
        overrides: the overrides of the job.
        of_sweep: the overrides of the whole sweep.
        sweep: the sweep's directory.
    """
    from hydra.core.hydra_config import HydraConfig

    from rnnlab.sweeps import progress
    from rnnlab.sweeps.jobs import format_overrides, job_title, make_job

    composed = HydraConfig.get()
    fixed = progress.fixed_keys(of_sweep)
    job, options = make_job(cfg, overrides, composed.runtime.choices, sweep, fixed)
    varied = format_overrides(job.overrides, [key for key in job.overrides if key not in fixed])
    number = f"trial {job.trial.number}" if job.trial else str(composed.job.num + 1)
    title = job_title(job, number, varied)
    progress.run_job(job, title, on_error=options.on_error, dry_run=options.dry_run)
    return str(job.path)


def _search_path(overrides: Sequence[str]) -> list[str]:
    """Return the override that adds the configs of packages to Hydra's search path, if any."""
    from rnnlab.config.overrides import format_value
    from rnnlab.config.sources import package_directories

    found = [f"file://{directory.absolute()}" for directory in package_directories()]
    if not found or any(override.startswith("hydra.searchpath=") for override in overrides):
        return []
    return [f"hydra.searchpath={format_value(found)}"]


def _check_output_keys(overrides: Sequence[str]) -> None:
    """Refuse Hydra's keys of output directories, which would have no effect or leave files.

    Raises:
        ConfigError: with a line for each.
    """
    keys = (override.lstrip("+~").partition("=")[0] for override in overrides)
    problems = [
        f"{key} can't be set: output_dir says where runs are written, sweep_name where in it a "
        "sweep is"
        for key in dict.fromkeys(keys)
        if any(output == key or output.startswith(f"{key}.") for output in _OUTPUT_KEYS)
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _is_of_hydra(error: Exception) -> bool:
    """Whether an error was raised by Hydra or OmegaConf, and not by our code that they call."""
    callers = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    packages = [name.partition(".")[0] for name in callers]
    theirs = ("hydra", "omegaconf", "antlr4")
    known = [name for name in packages if name in (*theirs, "rnnlab", "hydra_plugins")]
    return known[-1] in theirs
