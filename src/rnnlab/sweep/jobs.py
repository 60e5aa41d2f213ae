"""The jobs of a sweep: each has a directory named by its config, so that none is done twice."""

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

from omegaconf import DictConfig, OmegaConf

from rnnlab.config.compose import take_own, with_choices
from rnnlab.errors import Busy, ConfigError, Diverged, Missing, RunLost
from rnnlab.files.foreign import JOB_NAME, Failure, read_json
from rnnlab.files.whole import below, clear_parts, write_whole
from rnnlab.process.loading import loading
from rnnlab.runs.named_files import anchored
from rnnlab.runs.run import Run
from rnnlab.spelling import brief, printable
from rnnlab.sweep.search.trials import Judge, Trial, judge

Plan = Literal["train", "resume", "skip", "refuse"]
_WIDEST = 200  # characters of words in a line
_NAME = re.compile(JOB_NAME)
_UNHASHED = ("choices", "output_dir")
NOT_OF_A_RUN = ("sweep", "sweep_name", "on_error", "dry_run", "trial", "output_dir")
"""Keys of words that say nothing of what is trained."""


@dataclass(frozen=True)
class Job:
    """One config of a sweep.

    Attributes:
        sweep: the sweep's directory.
        cfg: the whole config of the run.
        words: what was said of it on the command line, key -> value.
        trial: of the search that it belongs to, if any.
    """

    sweep: Path
    cfg: DictConfig
    words: Mapping[str, str]
    trial: Trial | None = None

    @cached_property
    def name(self) -> str:
        """Give the hash of the config, but of where it is written."""
        tree = OmegaConf.to_container(self.cfg, resolve=True)
        assert isinstance(tree, dict)
        told = {key: value for key, value in tree.items() if key not in _UNHASHED}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        """Give its run directory."""
        return self.sweep / self.name

    @property
    def plan(self) -> Plan:
        """Say what is to be done: nothing for a job that came to an end, good or bad.

        What can't be read is refused, by `run` with the reason.
        """
        try:
            return self.checked_plan()
        except ConfigError:
            return "refuse"

    def checked_plan(self) -> Plan:
        """Say what is to be done.

        Raises:
            ConfigError: its directory can't be read, or leads out of the sweep.
        """
        try:
            if not self.path.is_dir() or not any(self.path.iterdir()):
                return "train"
        except OSError as error:
            raise ConfigError(f"{self.path} can't be read: {error.strerror}") from error
        # Only a search stops runs for others are better, and only it leaves them so.
        ends = ("finished", "diverged", "pruned") if self.trial else ("finished", "diverged")
        if Run.load(self.path).status in ends:
            return "skip"
        below(self.sweep, self.name)
        return "resume"

    @property
    def is_open(self) -> bool:
        """Whether there is something to train."""
        return self.plan in ("train", "resume")


def job_of(
    cfg: DictConfig, said: Iterable[str], choices: Mapping[str, Any], sweep: Path
) -> tuple[Job, dict[str, Any]]:
    """Make a job of what Hydra composed, and give the command's own settings beside it.

    Args:
        cfg: without Hydra's part.
        said: the words that it was composed of.
        choices: the option that each group has.
        sweep: the sweep's directory.

    Raises:
        ConfigError: a reference in the config leads nowhere.
    """
    own = take_own(cfg)
    words = {
        key: value
        for key, _, value in (word.partition("=") for word in said)
        if key not in NOT_OF_A_RUN and not key.startswith("hydra")
    }
    trial = Trial.read(own.pop("trial"))
    return Job(sweep, anchored(with_choices(cfg, choices)), words, trial), own


def run(job: Job) -> Run | None:
    """Do what is to be done for a job, and write down why if it fails.

    A failure is no exception here, for it should not end the sweep; an interrupt is.
    """
    try:
        plan = job.checked_plan()
        if plan == "train":
            with loading():  # torch, which those done needn't wait for
                from rnnlab.training.train import train

            made = train(job.cfg, job.path, job.words, judges(job))
        elif plan == "resume":
            with loading():
                from rnnlab.training.train import resume

            made = resume(Run.load(job.path), [], judges(job))
        else:
            made = Run.load(job.path)
            if made.status == "diverged":
                raise Diverged(made.card.get("reason", "it diverged"))
    except Busy:
        return None
    except (ConfigError, Diverged, RunLost) as error:
        fail(job, error)
        return None
    except Exception as error:
        fail(job, error)
        write_whole(_failures(job.sweep) / f"{job.name}.txt", traceback.format_exc().encode())
        return None
    return made


def judges(*jobs: Job) -> Judge | None:
    """Make a judge of jobs that train side by side, if their search prunes."""
    return judge({job.name: job.trial for job in jobs}, jobs[0].cfg.trainer.val_every)


def fail(job: Job, error: Exception) -> None:
    """Write down that a job failed."""
    kinds = {ConfigError: "refused", Diverged: "diverged", RunLost: "lost"}
    kind = next((name for kind, name in kinds.items() if isinstance(error, kind)), "failed")
    said = str(error).strip().splitlines() or [type(error).__name__]
    text = said[0] if kind != "failed" else f"{type(error).__name__}: {said[0]}"
    keep_failure(job.sweep, job.name, {"overrides": dict(job.words), "status": kind, "error": text})


def keep_failure(sweep: Path, name: str, entry: Failure) -> None:
    """Put a job among the failures of a sweep.

    Raises:
        ConfigError: the name is none that a job has, or the place leads out of the sweep.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not the name of a job: it has 12 digits, 0 to f")
    place = _failures(sweep)
    place.mkdir(parents=True, exist_ok=True)
    write_whole(place / f"{name}.json", (json.dumps(entry) + "\n").encode())


def failures(sweep: Path) -> dict[str, Failure]:
    """Give the failed jobs of a sweep by their names."""
    found = ((name, failure(sweep, name)) for name in _failed(sweep))
    return {name: entry for name, entry in found if entry is not None}


def failure(sweep: Path, name: str) -> Failure | None:
    """Say why a job failed, if it did; a file that is damaged is a failure that says so."""
    try:
        return read_json(_failures(sweep) / f"{name}.json", Failure)
    except Missing:  # or another start of the sweep has just forgotten it
        return None
    except ConfigError as error:
        return {"overrides": {}, "status": "failed", "error": str(error)}


def forget_failures(sweep: Path) -> None:
    """Take away what an earlier start wrote: what fails again is written again."""
    place = _failures(sweep)
    for name in _failed(sweep):
        for kind in ("json", "txt"):
            with suppress(OSError):  # it is not there, or somebody put a directory in its place
                (place / f"{name}.{kind}").unlink()
    clear_parts(place)


def _failures(sweep: Path) -> Path:
    return below(sweep, "failures")


def _failed(sweep: Path) -> list[str]:
    """Name the jobs that a start of the sweep wrote failures of; what else lies there stays."""
    paths = sorted(_failures(sweep).glob("*.json"))
    return [path.stem for path in paths if _NAME.fullmatch(path.stem)]


def overview(sweep: Path) -> list[str]:
    """Lay out how a sweep stands: how many jobs of each status, and each failure."""
    failed = failures(sweep)
    statuses: Counter[str] = Counter()
    known: list[Mapping[str, str]] = [entry["overrides"] for entry in failed.values()]
    names = [path.parent.name for path in sorted(sweep.glob("[!.]*/config.yaml"))]
    for name in names:
        try:
            run = Run.load(sweep / name)
            statuses[run.status] += 1
            known += [run.card.get("overrides", {})] if run.status != "begun" else []
        except ConfigError as error:
            statuses["damaged"] += 1
            failed.setdefault(name, {"overrides": {}, "status": "damaged", "error": str(error)})
    # A job that was refused has no directory.
    statuses.update(entry["status"] for name, entry in failed.items() if name not in names)
    most = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))
    said = printable(", ".join(f"{count} {name}" for name, count in most))
    lines = [f"{statuses.total()} jobs: {said or 'none'}"]
    if failed:
        keys = [
            key
            for key in dict.fromkeys(key for words in known for key in words)
            if len({words.get(key) for words in known}) > 1
        ]
        rows = [(name, entry, spell(entry["overrides"], keys)) for name, entry in failed.items()]
        width = max(len(words) for _, _, words in rows)
        lines += ["", "failures"]
        lines += [
            printable(f"  {name}  {entry['status']:8}  {words:{width}}  {brief(why, 100)}")
            for name, entry, words in rows
            for why in [entry["error"].replace(f"{sweep}/", "")]  # the reason, not the place
        ]
    return lines


def spell(words: Mapping[str, str], keys: Iterable[str]) -> str:
    """Spell some of the words, in one line that a person can read."""
    told = " ".join(f"{key}={words[key]}" for key in keys if key in words)
    return brief(printable(told), _WIDEST)


def name_of(words: Iterable[str], swept: Iterable[str]) -> str:
    """Make a sweep's name from its words: what is trained on what, and what is varied."""
    fixed = dict(word.lstrip("+~").partition("=")[::2] for word in words)
    about = [fixed[key] for key in ("experiment", "task", "model") if key in fixed]
    varied = [key.rsplit(".", 1)[-1] for key in swept]
    parts = [*(part for part in about if "," not in part), *varied]
    name = "_".join(parts) or "sweep"
    return "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in name)
