"""What `rnnlab-train -m` does before, between and after the jobs of a sweep."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rnnlab.config.compose import has_sweep_name, sweep_directory
from rnnlab.config.overrides import parse_override
from rnnlab.errors import ConfigError
from rnnlab.files.atomic import path_inside, undo_mkdir_on_error, write_atomically
from rnnlab.process.output import note, say
from rnnlab.process.rank import is_launched_rank, launched_run
from rnnlab.sweeps import jobs

_LONGEST_NAME = 255  # bytes, of most file systems
_MULTIRUN = "multirun.yaml"  # in which Hydra records the overrides of a sweep
_WRITTEN = (
    *(_MULTIRUN, "failures", "best.yaml", ".submitit"),
    *(".search.lock", "study.journal", "study.journal.writing"),
)
"""What is written in a sweep's directory beside run directories."""


def fixed_keys(overrides: Sequence[str]) -> list[str]:
    """List the keys that have one value in all jobs."""
    keys: dict[str, bool] = {}
    for text in overrides:
        try:
            override = parse_override(text)
        except ConfigError:
            continue  # Hydra reports it later
        keys[override.key_or_group] = not override.is_sweep_override()  # the last one counts
    return [key for key, is_fixed in keys.items() if is_fixed]


def name_override(overrides: Sequence[str]) -> list[str]:
    """Return `[sweep_name=...]` with a default name, or `[]` if the overrides give a name.

    Raises:
        ConfigError: the overrides that decide the name can't be read.
    """
    if has_sweep_name(overrides):
        return []
    chosen = [text.partition("=")[2] for text in overrides if text.startswith("sweep=")]
    if chosen:
        return [f"sweep_name={chosen[-1]}"]
    keys = [text.partition("=")[0] for text in overrides]
    swept = dict.fromkeys(key for key in keys if key not in fixed_keys(overrides))
    return [f"sweep_name={jobs.default_sweep_name(overrides, swept)}"]


@contextmanager
def directory_overrides(overrides: Sequence[str], sweep: Path) -> Iterator[list[str]]:
    """Return overrides that make Hydra write into a temporary directory in a dry run, else none.

    `hydra.sweep.subdir` then holds the sweep's directory.
    """
    if not _is_dry(overrides):
        yield []
        return
    with tempfile.TemporaryDirectory() as directory:
        yield [f"hydra.sweep.dir={directory}", f"hydra.sweep.subdir='{sweep.absolute()}'"]


@contextmanager
def undone_if_refused(sweep: Path) -> Iterator[None]:
    """Restore the sweep's directory if the block raises: Hydra writes `multirun.yaml` first.

    Directories that were made for the sweep are removed if they are empty.
    """
    multirun = path_inside(sweep, _MULTIRUN)
    before = multirun.read_bytes() if multirun.is_file() else None
    with undo_mkdir_on_error(sweep):
        try:
            yield
        except Exception:
            with suppress(OSError):  # missing or not writable: the first error says enough
                if before is not None:
                    write_atomically(multirun, before)
                elif not jobs.read_failures(sweep) and not any(sweep.glob("*/run.json")):
                    multirun.unlink()
            raise


def checked_directory(overrides: Sequence[str]) -> Path:
    """Return the sweep's directory.

    Raises:
        ConfigError: the overrides don't name one, or a file to be written is a link out of it.
    """
    sweep = sweep_directory(overrides)
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in sweep.parts):
        raise ConfigError(f"sweep_name is too long for the name of a directory: {sweep.name}")
    for name in _WRITTEN:
        path_inside(sweep, name)
    return sweep


def _is_dry(overrides: Sequence[str]) -> bool:
    return any(re.fullmatch(r"dry_run=(true|yes|on|1)", text, re.IGNORECASE) for text in overrides)


def run_job(job: jobs.Job, title: str, *, on_error: str, dry_run: bool) -> None:
    """Run one job, and print its title and outcome; in a dry run print what would be done.

    Raises:
        ConfigError: `on_error` is invalid.
    """
    check_on_error(on_error)
    if is_launched_rank():  # of one job, but with the command line of the whole sweep
        if job.path.absolute() == launched_run():
            jobs.run(job)
        return
    if dry_run:
        say(f"{job.action:7} {job.name}  {title}")
        return
    head = f"{job.name}  {title}"
    if on_error == "stop" and jobs.read_failures(job.sweep):
        note(f"\n{head}: left out, for another failed")
        return
    if job.action == "skip":
        note(f"\n{head}: done before")
    else:
        note(f"\n{head}")
    made = jobs.run(job)
    if failure := jobs.read_failure(job.sweep, job.name):
        note(f"{failure['status']}: {failure['error']}")
    elif made is None:
        note("left to another process, which is doing it")


def check_on_error(value: str) -> None:
    """Refuse an invalid `on_error`.

    Raises:
        ConfigError: it is neither `continue` nor `stop`.
    """
    if value not in ("continue", "stop"):
        raise ConfigError(f"on_error must be continue or stop, got {value}")


def finish(sweep: Path, overrides: Sequence[str]) -> None:
    """Print the overview of the sweep, then its directory; of a dry run the directory alone.

    If no job came to a run, `multirun.yaml` is removed and the failures stay.

    Raises:
        SystemExit: a job failed; the status is the worst failure's.
    """
    if _is_dry(overrides):
        say(sweep)
        return
    say("\n".join(jobs.overview(sweep)))
    say(sweep)
    statuses = {"diverged": 3, "refused": 2}
    failed = jobs.read_failures(sweep).values()
    if failed and not any(sweep.glob("*/config.yaml")):
        (sweep / _MULTIRUN).unlink(missing_ok=True)
    if failed:
        sys.exit(max(statuses.get(entry["status"], 1) for entry in failed))
