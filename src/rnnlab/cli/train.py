"""`rnnlab-train`: run an experiment, or go on with one."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError, Diverged, RunLost
from rnnlab.process.garbage import gc_paused
from rnnlab.process.output import note, say
from rnnlab.process.rank import is_launched_rank

if TYPE_CHECKING:
    from rnnlab.cli.hydra_line import Line
    from rnnlab.runs.run import Run


_PLACES = (
    *("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"),
    *("hydra.output_subdir", "hydra.job.chdir"),
)
"""Settings of Hydra's that say where a job writes."""


def main() -> None:
    """Compose the config from the command line, and train."""
    resumes = any(word.startswith("resume=") for word in sys.argv)
    command("rnnlab-train", _resume if resumes else _main, trains=True)


def _resume() -> None:
    """Go on with a run: its directory has the config, so that Hydra has nothing to compose."""
    directories = [word for word in sys.argv[1:] if word.startswith("resume=")]
    words = [word for word in sys.argv[1:] if not word.startswith("resume=")]
    if len(directories) > 1:
        raise ConfigError(f"resume takes one run, got {' '.join(directories)}")
    wrong = [word for word in words if "=" not in word or word.startswith("-")]
    if wrong:
        raise ConfigError(f"{wrong[0]!r} doesn't go with resume: it takes KEY=VALUE alone")

    from rnnlab.runs.run import Run

    run = Run.load(directories[0].partition("=")[2], "resume")

    with gc_paused():  # torch, which a mistake needn't wait for
        from rnnlab.training.train import resume

    before = run.is_finished and run.card.get("ended")
    _tell(lambda: resume(run, words))
    if before and run.card.get("ended") == before and not is_launched_rank():
        note(
            "it had finished before: a larger budget, such as trainer.max_steps, lets it go on",
        )


def _main() -> None:
    from rnnlab.cli.hydra_line import Line
    from rnnlab.config.sources import found_at

    line = Line.read(sys.argv[1:])
    with _own_hydra(), found_at(line.place):
        _compose_and_train(line)


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Give back what Hydra's application changes in this process, where a caller has one too."""
    from hydra.core.hydra_config import HydraConfig

    from rnnlab.config.sources import own_hydra

    words, errors = [*sys.argv], os.environ.get("HYDRA_FULL_ERROR")
    config = HydraConfig.instance().cfg
    os.environ["HYDRA_FULL_ERROR"] = "1"  # gives us its errors, for one clear line and status 2
    try:
        with own_hydra():
            yield
    finally:
        sys.argv, HydraConfig.instance().cfg = words, config
        del os.environ["HYDRA_FULL_ERROR"]
        if errors is not None:
            os.environ["HYDRA_FULL_ERROR"] = errors


def _compose_and_train(line: "Line") -> None:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import RunMode

    from rnnlab.config.base_run import words_of_base
    from rnnlab.config.explain import explain, explain_options
    from rnnlab.config.overrides import with_paths
    from rnnlab.config.packages import admit_from
    from rnnlab.config.sources import VERSION, config_directory
    from rnnlab.sweep import progress
    from rnnlab.sweep.jobs import format_overrides, make_job

    if line.unknown:
        raise ConfigError(explain_options(line.unknown, line.overrides))
    overrides, many = with_paths(line.overrides, several=line.many), line.many
    if not is_launched_rank():  # Lightning gives such words to those
        _check_places(overrides)
    admit_from(overrides)
    base = words_of_base(overrides)  # before those that change it
    sys.argv[1:] = [*line.options, *base, *overrides, *_search_path(overrides)]
    fixed = progress.fixed_keys(overrides)
    sweep = Path()
    problems: list[Exception] = []

    @hydra.main(config_path=str(config_directory()), config_name="train", **VERSION)
    def run(cfg: DictConfig) -> str | None:
        chosen = HydraConfig.get()
        try:
            said: Any = OmegaConf.to_container(chosen.overrides.task, resolve=False)
            own_words = [word for word in said if word not in base]
            job, own = make_job(cfg, own_words, chosen.runtime.choices, sweep)
            if chosen.mode == RunMode.MULTIRUN:
                varied = [key for key in job.overrides if key not in fixed]
                label = format_overrides(job.overrides, varied)
                number = f"trial {job.trial.number}" if job.trial else chosen.job.num + 1
                progress.run_job(job, f"{number}  {label}", **own)
                return str(job.path)
            _train(job.cfg, job.overrides, dry_run=own["dry_run"])
        except (ConfigError, Diverged, RunLost) as error:
            problems.append(error)  # Hydra would add a line of its own
        return None

    try:
        if many:
            name = progress.name_override(overrides)
            sys.argv += name
            sweep = progress.checked_directory([*overrides, *name])
        with ExitStack() as stack:
            if many and not is_launched_rank():
                stack.enter_context(progress.undone_if_refused(sweep))
            sys.argv += stack.enter_context(progress.directory_overrides(overrides, sweep))
            run()
    except ConfigError:
        raise
    except Exception as error:
        # Hydra lets some mistakes through as bare ValueErrors.
        if isinstance(error, (HydraException, OmegaConfBaseException)) or _is_of_hydra(error):
            raise ConfigError(explain(error, [*base, *overrides], grid=many)) from error
        raise
    if problems:
        raise problems[0]
    if many and not is_launched_rank():
        progress.finish(sweep, overrides)


def _search_path(overrides: Sequence[str]) -> list[str]:
    """Give the override that lets Hydra find the configs of packages, where they have any."""
    from rnnlab.config.overrides import spelt
    from rnnlab.config.sources import package_directories

    found = [f"file://{directory.absolute()}" for directory in package_directories()]
    if not found or any(word.startswith("hydra.searchpath=") for word in overrides):
        return []
    return [f"hydra.searchpath={spelt(found)}"]


def _check_places(overrides: Sequence[str]) -> None:
    """Refuse Hydra's settings of where a job writes, which would do nothing or leave something.

    Raises:
        ConfigError: with a line for each.
    """
    keys = (override.lstrip("+~").partition("=")[0] for override in overrides)
    problems = [
        f"{key} can't be set: output_dir says where runs are written, sweep_name where in it a "
        "sweep is"
        for key in dict.fromkeys(keys)
        if any(place == key or place.startswith(f"{key}.") for place in _PLACES)
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _is_of_hydra(error: Exception) -> bool:
    """Tell whether it was raised at work on words and configs, and not by a part of ours."""
    callers = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    packages = [name.partition(".")[0] for name in callers]
    theirs = ("hydra", "omegaconf", "antlr4")
    known = [name for name in packages if name in (*theirs, "rnnlab", "hydra_plugins")]
    return known[-1] in theirs


def _train(cfg: DictConfig, words: Mapping[str, str], *, dry_run: bool) -> None:
    if dry_run:
        from rnnlab.training.prepare import prepare, print_warnings

        print_warnings(prepare(cfg).experiment)
        say("nothing is wrong with these settings, and nothing was done")
        return
    with gc_paused():
        from rnnlab.training.train import train

    _tell(lambda: train(cfg, overrides=words))


def _tell(make: Callable[[], "Run"]) -> None:
    """Train, and print what came of it; the last line is the directory."""
    from rnnlab.runs.summary import summarize

    run = make()
    if not is_launched_rank():
        say(summarize(run))
        say(run.path)
