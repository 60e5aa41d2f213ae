"""Jobs of a sweep: each has a run directory named by a hash of its config, so none runs twice."""

import hashlib
import json
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from rnnlab.config.compose import (
    CommandOptions,
    overrides_of_run,
    pop_command_options,
    with_choices,
)
from rnnlab.config.packages import allow_packages
from rnnlab.config.plain import plain
from rnnlab.config.size import sized
from rnnlab.errors import Busy, ConfigError, Diverged, Missing, RunLost
from rnnlab.files.atomic import path_inside, remove_part_files, write_atomically
from rnnlab.files.untrusted import JOB_NAME, Failure, read_json
from rnnlab.process.garbage import gc_paused
from rnnlab.runs.named_files import with_file_hashes
from rnnlab.runs.run import Run
from rnnlab.spelling import brief, printable
from rnnlab.sweeps.search.trials import TrialPruner, TrialRef, make_pruner

Action = Literal["train", "resume", "skip", "refuse"]
_WIDEST = 200  # characters of overrides in a line
_NAME = re.compile(JOB_NAME)
_UNHASHED = ("choices", "output_dir")


@dataclass(frozen=True)
class Job:
    """One run of a sweep, done or to do.

    Attributes:
        sweep: the sweep's directory.
        cfg: the whole config of the run.
        overrides: its overrides on the command line, key -> value.
        trial: the Optuna trial that it evaluates, or `None` outside a search.
    """

    sweep: Path
    cfg: DictConfig
    overrides: Mapping[str, str]
    trial: TrialRef | None = None

    @cached_property
    def name(self) -> str:
        """Name of the run directory: 12 hex digits of the SHA-256 of the resolved config."""
        hashed = {key: value for key, value in plain(self.cfg).items() if key not in _UNHASHED}
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.sweep / self.name

    @property
    def action(self) -> Action:
        """What `run` will do: train, resume, skip a job that has ended, or refuse.

        A job is refused if its run directory can't be read; `run` records why.
        """
        try:
            return self.checked_action()
        except ConfigError:
            return "refuse"

    def checked_action(self) -> Action:
        """Return what `run` will do.

        Raises:
            ConfigError: the run directory can't be read, or is a link out of the sweep.
        """
        try:
            if not self.path.is_dir() or not any(self.path.iterdir()):
                return "train"
        except OSError as error:
            raise ConfigError(f"{self.path} can't be read: {error.strerror}") from error
        # Only a search prunes runs; a plain sweep trains them to the end.
        ends = ("finished", "diverged", "pruned") if self.trial else ("finished", "diverged")
        if Run.load(self.path).status in ends:
            return "skip"
        path_inside(self.sweep, self.name)
        return "resume"

    @property
    def is_open(self) -> bool:
        """Whether the job is to be trained or resumed."""
        return self.action in ("train", "resume")


def make_job(
    cfg: DictConfig, overrides: Iterable[str], choices: Mapping[str, Any], sweep: Path
) -> tuple[Job, CommandOptions]:
    """Make a job from a config that Hydra composed.

    Args:
        cfg: the config, without the `hydra` group.
        overrides: the overrides that it was composed from.
        choices: config group -> chosen option.
        sweep: the sweep's directory.

    Returns:
        The job, and the options of the command.

    Raises:
        ConfigError: an interpolation in the config can't be resolved.
    """
    options = pop_command_options(cfg)
    trial = TrialRef.read(options.trial)
    overrides = list(overrides)
    cfg = sized(with_choices(cfg, choices), options.parameters, overrides)
    cfg = with_file_hashes(cfg)
    return Job(sweep, cfg, overrides_of_run(overrides), trial), options


def run(job: Job) -> Run | None:
    """Train, resume or skip a job, as its `action` says; a failure is recorded.

    Returns:
        The run, or `None` if the job failed or another process is training it.

    Raises:
        Interrupted: training was stopped by a signal. No failure raises, so the sweep goes on.
    """
    try:
        allow_packages(job.cfg.packages)  # a worker process doesn't know the sweep's command line
        action = job.checked_action()
        if action == "train":
            with gc_paused():  # torch: seconds that skipped jobs need not wait
                from rnnlab.training.train import train

            made = train(job.cfg, job.path, job.overrides, pruner_of(job))
        elif action == "resume":
            with gc_paused():
                from rnnlab.training.train import resume

            made = resume(Run.load(job.path), [], pruner_of(job))
        else:
            made = Run.load(job.path)
            if made.status == "diverged":
                raise Diverged(made.card.get("reason", "it diverged"))
    except Busy:
        return None
    except (ConfigError, Diverged, RunLost) as error:
        record_failure(job, error)
        return None
    except Exception as error:
        record_failure(job, error)
        traceback_file = _failure_directory(job.sweep) / f"{job.name}.txt"
        write_atomically(traceback_file, traceback.format_exc().encode())
        return None
    return made


def pruner_of(*jobs: Job) -> TrialPruner | None:
    """Return the pruner of jobs that train side by side, or `None` if their search has none."""
    return make_pruner({job.name: job.trial for job in jobs}, jobs[0].cfg.trainer.val_every)


def record_failure(job: Job, error: Exception) -> None:
    """Write the error that a job failed with to `failures/NAME.json`."""
    statuses = {ConfigError: "refused", Diverged: "diverged", RunLost: "lost"}
    status = next((name for kind, name in statuses.items() if isinstance(error, kind)), "failed")
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if status == "failed":
        text = f"{type(error).__name__}: {text}"
    entry: Failure = {"overrides": dict(job.overrides), "status": status, "error": text}
    write_failure(job.sweep, job.name, entry)


def write_failure(sweep: Path, name: str, entry: Failure) -> None:
    """Write the failure of the job of this name.

    Raises:
        ConfigError: the name is not a job's, or `failures` is a link out of the sweep.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not the name of a job: it has 12 digits, 0 to f")
    directory = _failure_directory(sweep)
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / f"{name}.json", (json.dumps(entry) + "\n").encode())


def read_failures(sweep: Path) -> dict[str, Failure]:
    """Read the failures of a sweep: job name -> failure."""
    read = ((name, read_failure(sweep, name)) for name in _failed_names(sweep))
    return {name: entry for name, entry in read if entry is not None}


def read_failure(sweep: Path, name: str) -> Failure | None:
    """Read the failure of a job, or `None` if it has none; a damaged file is a failure too."""
    try:
        return read_json(_failure_directory(sweep) / f"{name}.json", Failure)
    except Missing:  # or another process that runs this sweep has just removed it
        return None
    except ConfigError as error:
        return {"overrides": {}, "status": "failed", "error": str(error)}


def remove_failures(sweep: Path) -> None:
    """Remove the failures recorded by an earlier command; jobs that fail again write them anew."""
    directory = _failure_directory(sweep)
    for name in _failed_names(sweep):
        for suffix in ("json", "txt"):
            with suppress(OSError):  # the file is missing, or is a directory
                (directory / f"{name}.{suffix}").unlink()
    remove_part_files(directory)


def _failure_directory(sweep: Path) -> Path:
    return path_inside(sweep, "failures")


def _failed_names(sweep: Path) -> list[str]:
    """List the jobs that have a failure file; files with other names are ignored."""
    paths = sorted(_failure_directory(sweep).glob("*.json"))
    return [path.stem for path in paths if _NAME.fullmatch(path.stem)]


def overview(sweep: Path) -> list[str]:
    """Return lines with the number of jobs of each status and a table of the failures."""
    failed = read_failures(sweep)
    statuses: Counter[str] = Counter()
    overrides: list[Mapping[str, str]] = [entry["overrides"] for entry in failed.values()]
    names = [path.parent.name for path in sorted(sweep.glob("[!.]*/config.yaml"))]
    for name in names:
        try:
            run = Run.load(sweep / name)
            statuses[run.status] += 1
            overrides += [run.card.get("overrides", {})] if run.status != "begun" else []
        except ConfigError as error:
            statuses["damaged"] += 1
            failed.setdefault(name, {"overrides": {}, "status": "damaged", "error": str(error)})
    # Refused jobs have a failure but no run directory.
    statuses.update(entry["status"] for name, entry in failed.items() if name not in names)
    by_count = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))
    counts = printable(", ".join(f"{count} {status}" for status, count in by_count))
    lines = [f"{statuses.total()} jobs: {counts or 'none'}"]
    if failed:
        varied = [
            key
            for key in dict.fromkeys(key for each in overrides for key in each)
            if len({each.get(key) for each in overrides}) > 1
        ]
        lines += ["", "failures", *_failure_table(sweep, failed, varied)]
    return lines


def _failure_table(sweep: Path, failed: Mapping[str, Failure], keys: list[str]) -> list[str]:
    """Format failures as rows of name, status, the overrides of some keys, and error."""
    cells = {name: format_overrides(entry["overrides"], keys) for name, entry in failed.items()}
    width = max(map(len, cells.values()))
    errors = {name: entry["error"].replace(f"{sweep}/", "") for name, entry in failed.items()}
    return [
        printable(
            f"  {name}  {entry['status']:8}  {cells[name]:{width}}  {brief(errors[name], 100)}"
        )
        for name, entry in failed.items()
    ]


def format_overrides(overrides: Mapping[str, str], keys: Iterable[str]) -> str:
    """Format the overrides of some keys as one line of `key=value`, shortened if it is long."""
    line = " ".join(f"{key}={overrides[key]}" for key in keys if key in overrides)
    return brief(printable(line), _WIDEST)


def default_sweep_name(overrides: Iterable[str], swept: Iterable[str]) -> str:
    """Make a sweep's name from its experiment, task and model and the keys that it varies."""
    values = dict(override.lstrip("+~").partition("=")[::2] for override in overrides)
    chosen = [values[key] for key in ("experiment", "task", "model") if key in values]
    varied = [key.rsplit(".", 1)[-1] for key in swept]
    parts = [*(option for option in chosen if "," not in option), *varied]
    name = "_".join(parts) or "sweep"
    return "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in name)
