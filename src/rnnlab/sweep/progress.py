"""`rnnlab-train -m`: what is said of a sweep before, between and after its jobs."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rnnlab.config.compose import has_name, sweep_directory
from rnnlab.config.overrides import parse
from rnnlab.errors import ConfigError
from rnnlab.files.whole import below, clearing, write_whole
from rnnlab.process.output import note, say
from rnnlab.process.rank import is_helper, run_of_helper
from rnnlab.sweep import jobs

_LONGEST_NAME = 255  # bytes, of most file systems
_NOTES = "multirun.yaml"  # of Hydra's: the words of a sweep
_WRITTEN = (
    *(_NOTES, "failures", "best.yaml", ".submitit"),
    *(".search.lock", "study.journal", "study.journal.writing"),
)
"""What is written in a sweep's directory, beside its runs."""


def fixed(words: Sequence[str]) -> list[str]:
    """Give the keys that have one value in all jobs."""
    keys: dict[str, bool] = {}
    for word in words:
        try:
            override = parse(word)
        except ConfigError:
            continue  # said later, with all else that is wrong
        keys[override.key_or_group] = not override.is_sweep_override()  # the last word counts
    return [key for key, is_fixed in keys.items() if is_fixed]


def named(words: Sequence[str]) -> list[str]:
    """Make a name for a sweep, as a word to add, if it has none.

    Raises:
        ConfigError: the words that say so can't be read.
    """
    if has_name(words):
        return []
    chosen = [word.partition("=")[2] for word in words if word.startswith("sweep=")]
    if chosen:
        return [f"sweep_name={chosen[-1]}"]
    keys = [word.partition("=")[0] for word in words]
    swept = dict.fromkeys(key for key in keys if key not in fixed(words))
    return [f"sweep_name={jobs.name_of(words, swept)}"]


@contextmanager
def hydra_notes(words: Sequence[str], sweep: Path) -> Iterator[list[str]]:
    """Say where Hydra may write its notes of a sweep: nowhere that stays, if it is a dry run.

    The jobs' own directory is then what `hydra.sweep.subdir` says.
    """
    if not _is_dry(words):
        yield []
        return
    with tempfile.TemporaryDirectory() as directory:
        yield [f"hydra.sweep.dir={directory}", f"hydra.sweep.subdir='{sweep.absolute()}'"]


@contextmanager
def nothing_of_refused(sweep: Path) -> Iterator[None]:
    """Leave a sweep that is refused as a whole as it was: Hydra notes its words before any job.

    Directories that were made for it go again if nothing else is in them.
    """
    notes = below(sweep, _NOTES)
    before = notes.read_bytes() if notes.is_file() else None
    with clearing(sweep):
        try:
            yield
        except Exception:
            with suppress(OSError):  # it isn't there, or can't be written: the error says enough
                if before is not None:
                    write_whole(notes, before)
                elif not jobs.failures(sweep) and not any(sweep.glob("*/run.json")):
                    notes.unlink()
            raise


def place(words: Sequence[str]) -> Path:
    """Find the sweep's directory, in which nothing leads elsewhere.

    Raises:
        ConfigError: the words don't make one, or what would be written in it is a link out of it.
    """
    sweep = sweep_directory(words)
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in sweep.parts):
        raise ConfigError(f"sweep_name is too long for the name of a directory: {sweep.name}")
    for name in _WRITTEN:
        below(sweep, name)
    return sweep


def _is_dry(words: Sequence[str]) -> bool:
    return any(re.fullmatch(r"dry_run=(true|yes|on|1)", word, re.IGNORECASE) for word in words)


def do(job: jobs.Job, label: str, *, on_error: str, dry_run: bool) -> None:
    """Do one job, saying which it is and why it isn't done.

    Raises:
        ConfigError: `on_error` is no such thing.
    """
    check_on_error(on_error)
    if is_helper():  # of one job, though its words are those of the whole sweep
        if job.path.absolute() == run_of_helper():
            jobs.run(job)
        return
    if dry_run:
        say(f"{job.plan:7} {job.name}  {label}")
        return
    head = f"{job.name}  {label}"
    if on_error == "stop" and jobs.failures(job.sweep):
        note(f"\n{head}: left out, for another failed")
        return
    if job.plan == "skip":
        note(f"\n{head}: done before")
    else:
        note(f"\n{head}")
    made = jobs.run(job)
    if failure := jobs.failure(job.sweep, job.name):
        note(f"{failure['status']}: {failure['error']}")
    elif made is None:
        note("left to another process, which is doing it")


def check_on_error(value: str) -> None:
    """Refuse an `on_error` that is no such thing.

    Raises:
        ConfigError: it is none.
    """
    if value not in ("continue", "stop"):
        raise ConfigError(f"on_error must be continue or stop, got {value}")


def end(sweep: Path, words: Sequence[str]) -> None:
    """Say how the sweep stands; the last line is its directory.

    A dry run has told what there would be. Of a sweep that came to no run the failures stay alone.

    Raises:
        SystemExit: with the status of the worst failure, if there is one.
    """
    if _is_dry(words):
        say(sweep)
        return
    say("\n".join(jobs.overview(sweep)))
    say(sweep)
    statuses = {"diverged": 3, "refused": 2}
    failed = jobs.failures(sweep).values()
    if failed and not any(sweep.glob("*/config.yaml")):
        (sweep / _NOTES).unlink(missing_ok=True)
    if failed:
        sys.exit(max(statuses.get(entry["status"], 1) for entry in failed))
