"""`rnnlab-train`: train a run or a sweep, or resume a run."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from rnnlab.cli import completion
from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.process.garbage import gc_paused
from rnnlab.process.output import note, say
from rnnlab.process.rank import is_launched_rank

if TYPE_CHECKING:
    from rnnlab.runs.run import Run


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

    from rnnlab.commands.train import resume
    from rnnlab.runs.run import Run

    run = Run.load(directories[0].partition("=")[2], "resume")
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

    from rnnlab.commands.hydra_app import run_hydra
    from rnnlab.config.hydra_line import Line

    line = Line.read(sys.argv[1:])
    sweep = run_hydra(line, _train_alone)
    if sweep is not None and not is_launched_rank():
        _finish(sweep, line.overrides)


def _finish(sweep: Path, overrides: Sequence[str]) -> None:
    """Print the overview of a sweep, then its directory; of a dry run the directory alone.

    Raises:
        SystemExit: a job failed.
    """
    from rnnlab.sweeps.jobs import overview
    from rnnlab.sweeps.progress import exit_status, is_dry

    if is_dry(overrides):
        say(sweep)
        return
    say("\n".join(overview(sweep)))
    say(sweep)
    if status := exit_status(sweep):
        sys.exit(status)


def _train_alone(cfg: DictConfig, overrides: Sequence[str], choices: Mapping[str, Any]) -> None:
    """Train a run from a config that Hydra composed; in a dry run only check it."""
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
    cfg = with_choices(cfg, choices)
    cfg = with_file_hashes(sized(cfg, options.parameters, overrides))
    if options.dry_run:
        from rnnlab.training.prepare import prepare, print_warnings

        print_warnings(prepare(cfg).experiment)
        say("nothing is wrong with these settings, and nothing was done")
        return
    with gc_paused():
        from rnnlab.training.train import train

    _print_summary(lambda: train(cfg, overrides=overrides_of_run(overrides)))


def _print_summary(train: Callable[[], "Run"]) -> None:
    """Train, and print a summary of the run; the last line is its directory."""
    from rnnlab.runs.summary import summarize

    run = train()
    if not is_launched_rank():
        say(summarize(run))
        say(run.path)
