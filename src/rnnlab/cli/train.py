"""`rnnlab-train`: train a run or a sweep, or resume a run."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnlab.cli import completion
from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError, Diverged, RunLost
from rnnlab.process.garbage import gc_paused
from rnnlab.process.output import note, say
from rnnlab.process.rank import is_launched_rank

if TYPE_CHECKING:
    from rnnlab.cli.hydra_line import Line
    from rnnlab.runs.run import Run


_OUTPUT_KEYS = (
    *("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"),
    *("hydra.output_subdir", "hydra.job.chdir"),
)
"""Hydra's keys of output directories."""


def main() -> None:
    """Compose the config from the command line, and train."""
    resumes = any(argument.startswith("resume=") for argument in sys.argv)
    command("rnnlab-train", _resume if resumes else _main, trains=True)


def _resume() -> None:
    """Resume a run, whose directory holds the config, so that Hydra has nothing to compose."""
    directories = [argument for argument in sys.argv[1:] if argument.startswith("resume=")]
    overrides = [argument for argument in sys.argv[1:] if not argument.startswith("resume=")]
    if len(directories) > 1:
        raise ConfigError(f"resume takes one run, got {' '.join(directories)}")
    wrong = [argument for argument in overrides if "=" not in argument or argument.startswith("-")]
    if wrong:
        raise ConfigError(f"{wrong[0]!r} doesn't go with resume: it takes KEY=VALUE alone")

    from rnnlab.runs.run import Run

    run = Run.load(directories[0].partition("=")[2], "resume")

    with gc_paused():  # only now, since torch takes seconds that a mistake needn't wait for
        from rnnlab.training.train import resume

    ended = run.is_finished and run.card.get("ended")
    _print_summary(lambda: resume(run, overrides))
    if ended and run.card.get("ended") == ended and not is_launched_rank():
        note("it had finished before: a larger budget, such as trainer.max_steps, lets it go on")


def _main() -> None:
    if completion.is_query(sys.argv[1:]):
        word = os.environ.get("COMP_LINE", "").rpartition(" ")[2]
        paths = completion.path_candidates(word)
        if paths is not None:
            say("\n".join(paths))
            return

    from rnnlab.cli.hydra_line import Line
    from rnnlab.config.sources import using_source

    line = Line.read(sys.argv[1:])
    with _hydra_restored(), using_source(line.source):
        _compose_and_train(line)


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


def _compose_and_train(line: "Line") -> None:
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
            _run_alone(cfg, own)
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
    if line.many and not is_launched_rank():
        from rnnlab.sweep import progress

        progress.finish(sweep, overrides)


def _run_alone(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Train a run from a config that Hydra composed; in a dry run only check it."""
    from hydra.core.hydra_config import HydraConfig

    from rnnlab.config.compose import (
        NO_TRIAL,
        overrides_of_run,
        pop_command_options,
        with_choices,
    )
    from rnnlab.config.size import sized
    from rnnlab.runs.named_files import with_file_hashes

    options = pop_command_options(cfg)
    if options.trial is not None:
        raise ConfigError(NO_TRIAL)
    cfg = with_choices(cfg, HydraConfig.get().runtime.choices)
    cfg = with_file_hashes(sized(cfg, options.parameters, overrides))
    if options.dry_run:
        from rnnlab.training.prepare import prepare, print_warnings

        print_warnings(prepare(cfg).experiment)
        say("nothing is wrong with these settings, and nothing was done")
        return
    with gc_paused():
        from rnnlab.training.train import train

    _print_summary(lambda: train(cfg, overrides=overrides_of_run(overrides)))


@contextmanager
def _named_sweep(overrides: Sequence[str]) -> Iterator[Path]:
    """Pass a sweep's name to Hydra, and yield its directory; undo both if the sweep is refused."""
    from rnnlab.sweep import progress

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

    from rnnlab.sweep import progress
    from rnnlab.sweep.jobs import format_overrides, make_job

    composed = HydraConfig.get()
    job, options = make_job(cfg, overrides, composed.runtime.choices, sweep)
    fixed = progress.fixed_keys(of_sweep)
    varied = format_overrides(job.overrides, [key for key in job.overrides if key not in fixed])
    number = f"trial {job.trial.number}" if job.trial else composed.job.num + 1
    progress.run_job(job, f"{number}  {varied}", on_error=options.on_error, dry_run=options.dry_run)
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


def _print_summary(train: Callable[[], "Run"]) -> None:
    """Train, and print a summary of the run; the last line is its directory."""
    from rnnlab.runs.summary import summarize

    run = train()
    if not is_launched_rank():
        say(summarize(run))
        say(run.path)
