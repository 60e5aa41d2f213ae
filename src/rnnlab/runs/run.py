"""A run directory: what a run wrote, and all that is needed to use its model again."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from rnnlab.config.stored import config_of_run, read_config
from rnnlab.errors import Busy, ConfigError
from rnnlab.files.foreign import Results, RunCard, Session, Vocabulary, read_json
from rnnlab.files.whole import below, clear_parts, clearing, flush_to_disk, write_whole
from rnnlab.process import rank
from rnnlab.runs.curve import read_curve
from rnnlab.runs.environment import environment

if TYPE_CHECKING:
    from rnnlab.experiment.experiment import Experiment
    from rnnlab.models.base import Model
    from rnnlab.tasks.base import Task

_Kind = TypeVar("_Kind")

FORMAT = 1
"""Of a run directory; goes up with a change that an earlier rnnlab can't read, or a later one."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A directory `outputs/<task>/<model>/<time>-<hash>/` and what it holds.

    `config.yaml` (resolved), `run.json` (the run card), `vocabulary.json` (what a text's or a
    table's ids stand for), `metrics.csv`, `results.json`,
    `samples.md`, `checkpoints/{last,best}.ckpt`, TensorBoard events, `figures/`.

    Args:
        path: the directory.
    """

    path: Path

    @classmethod
    def create(
        cls,
        cfg: DictConfig,
        place: Path | None = None,
        words: Mapping[str, str] = MappingProxyType({}),
    ) -> "Run":
        """Make a new directory, with config and run card in it from the beginning.

        Args:
            cfg: the whole config.
            place: the directory; `None` for `<output_dir>/<task>/<model>/<time>-<hash>`.
            words: what was said of it on the command line, key -> value.

        Raises:
            ConfigError: it can't be made.
        """
        if rank.is_helper():
            return cls(rank.run_of_helper())
        text = OmegaConf.to_yaml(cfg, resolve=True)
        numbered = place is None
        if place is None:
            digest = hashlib.sha256(text.encode()).hexdigest()[:6]
            parent = Path(cfg.output_dir) / str(cfg.choices["task"]) / str(cfg.choices["model"])
            place = parent / f"{_now():%Y-%m-%d_%H-%M-%S}-{digest}"
        card = json.dumps({"format": FORMAT, "status": "begun", "overrides": dict(words)}) + "\n"
        files = {"config.yaml": text.encode(), "run.json": card.encode()}
        with clearing(place.parent):
            return cls(_make_directory(place.parent, place.name, files, numbered))

    @classmethod
    def load(cls, path: str | Path, key: str = "run") -> "Run":
        """Open a run directory.

        Args:
            path: the directory.
            key: the setting that named it.

        Raises:
            ConfigError: it isn't one.
        """
        return cls(config_of_run(path, key).parent)

    def file(self, name: str) -> Path:
        """Give the path of something in the directory, there or not.

        Raises:
            ConfigError: it leads out of the directory, through a link, or is a device or a pipe.
        """
        return below(self.path, name)

    def figure(self, name: str) -> Path:
        """Give the path of a picture, in a directory that is there."""
        path = self.file(f"figures/{name}")
        path.parent.mkdir(exist_ok=True)
        return path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training here; the lock goes when the process does.

        What one that was killed left half written is removed.

        Raises:
            ConfigError: another one trains here, or the directory can't be written.
        """
        if rank.is_helper():
            yield
            return
        lock = FileLock(self.file(".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise Busy(f"{self.path} is being trained by another process") from error
        except OSError as error:
            raise ConfigError(f"{self.path} can't be written to: {error.strerror}") from error
        try:
            for directory in (self.path, self.file("checkpoints")):
                clear_parts(directory, alone=True)
            clear_parts(self.file("figures"))
            yield
        finally:
            lock.release()

    @cached_property
    def config(self) -> DictConfig:
        """The resolved config.

        Raises:
            ConfigError: it is damaged, or the directory has another format than this version's.
        """
        if self.file("run.json").is_file() and (made := self.card.get("format", 0)) != FORMAT:
            whose = "an earlier" if made < FORMAT else "a later"
            raise ConfigError(
                f"{self.path} was written by {whose} version of rnnlab (format {made}): "
                f"this one opens format {FORMAT}"
            )
        return read_config(self.file("config.yaml"))

    @property
    def card(self) -> RunCard:
        """What is known of the run: command, versions, git state, device, status."""
        return self._read("run.json", RunCard)

    @property
    def status(self) -> str:
        """How the run stands: `begun` until its training wrote something else."""
        return self.card["status"] if self.file("run.json").is_file() else "begun"

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        return self.status == "finished"

    @property
    def results(self) -> Results:
        """The final metrics, floors and costs."""
        return self._read("results.json", Results)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """What each id of its task stands for; none where that is in the code, or wasn't kept."""
        path = self.file("vocabulary.json")
        return tuple(read_json(path, Vocabulary)["symbols"]) if path.exists() else ()

    @property
    def curve(self) -> list[dict[str, float]]:
        """The rows of `metrics.csv`: a mapping a step, from metric to value."""
        return read_curve(self.file("metrics.csv"))

    @cached_property
    def experiment(self) -> "Experiment":
        """Task, model and data as configured, the model with its best weights."""
        return self.open([])

    @property
    def task(self) -> "Task":
        """The task."""
        return self.experiment.task

    @property
    def model(self) -> "Model":
        """The model with its best weights, ready to evaluate."""
        return self.experiment.model

    def open(self, overrides: list[str], checkpoint: str = "best") -> "Experiment":
        """Build the run again from its directory alone, with some settings changed.

        A text or table that isn't where it was, or holds something else, is not read: then the
        model can speak, and not be scored. One that an override names is read in the symbols that
        the model learnt.

        Args:
            overrides: `key=value` for keys of the config, such as another length of the task.
            checkpoint: `best` or `last`.

        Raises:
            ConfigError: an override or the directory is at fault, or no longer fits the weights.
        """
        from rnnlab.config.compose import apply_overrides
        from rnnlab.experiment.experiment import Experiment
        from rnnlab.runs.named_files import anchored, changes
        from rnnlab.tasks.file_task import Known

        cfg = anchored(apply_overrides(self.config, overrides))
        meant = {override.partition("=")[0] for override in overrides}
        lost = [why for key, why in changes(self.config, cfg).items() if key not in meant]
        if lost:
            lost.append(
                "a file that is named is read all the same, in the symbols that were learnt"
            )
        known = Known(self.symbols, "\n".join(lost) or None) if self.symbols else None
        if lost and not known:
            raise ConfigError("\n".join(lost))
        experiment = Experiment.assemble(cfg, known)
        self.check_fingerprint(experiment.task)
        experiment.load_weights(self.file(f"checkpoints/{checkpoint}.ckpt"))
        return experiment

    def check_fingerprint(self, task: "Task") -> None:
        """Refuse a task whose symbols or sizes are not those that the model learnt.

        Raises:
            ConfigError: they aren't.
        """
        known = self.card.get("fingerprint") if self.file("run.json").exists() else None
        if known not in (None, task.fingerprint()):
            raise ConfigError(
                "task: its symbols or sizes are not those that the model learnt; settings differ, "
                "or a file of the task was changed after training"
            )

    def reopen(self, cfg: DictConfig) -> None:
        """Make ready to train again: the config as it is now, and no results of an earlier end."""
        if rank.is_helper():
            return
        write_whole(self.file("config.yaml"), OmegaConf.to_yaml(cfg).encode())
        self.file("results.json").unlink(missing_ok=True)

    def begin(self, step: int, facts: dict[str, Any], symbols: Sequence[str] = ()) -> None:
        """Write down that training begins, or goes on after `step` updates, and with what.

        Args:
            step: updates done.
            facts: of this training.
            symbols: what each id of the task stands for, where that comes from data.
        """
        if symbols:
            self.write_json("vocabulary.json", {"symbols": list(symbols)})
        card: RunCard = self.card if self.file("run.json").exists() else {"status": "begun"}
        now = _now().isoformat(timespec="seconds")
        command = [Path(sys.argv[0]).name, *sys.argv[1:]]
        session = {"command": command, "started": now, "first_step": step, "status": "running"}
        self.write_json(
            "run.json",
            {
                "format": FORMAT,
                "status": "running",
                "command": command,
                "started": card.get("started", now),
                "overrides": card.get("overrides", {}),
                **environment(),
                **facts,
                "sessions": [*map(_killed, card.get("sessions", [])), session],
            },
        )

    def end(self, status: str, step: int, costs: dict[str, float], reason: str = "") -> None:
        """Write down how training ended.

        Args:
            status: `finished`, `interrupted`, `diverged` or `failed`.
            step: updates that are kept.
            costs: of these updates, over all sessions.
            reason: why it didn't finish.
        """
        card = self.card
        ended = {"status": status, "ended": _now().isoformat(timespec="seconds")}
        ended |= {"reason": reason} if reason else {}
        *before, session = card.get("sessions") or [{}]  # it may end before it began
        sessions = [*before, {**session, **ended, "last_step": step}]
        rounded = {name: round(value, 3) for name, value in costs.items()}
        self.write_json("run.json", {**card, **ended, **rounded, "sessions": sessions})

    def write_json(self, name: str, value: Any) -> None:
        """Write a file whole or not at all."""
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        write_whole(self.file(name), text.encode())

    def append_line(self, name: str, value: Any) -> None:
        """Add a line of JSON to a file."""
        path = self.file(name)
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(value, ensure_ascii=False) + "\n")
        except OSError as error:
            raise ConfigError(f"{path} can't be written: {error.strerror}") from error

    def _read(self, name: str, kind: type[_Kind]) -> _Kind:
        path = self.file(name)
        if not path.exists():
            raise ConfigError(f"{path} is missing: the run didn't get so far")
        return read_json(path, kind)


def _make_directory(parent: Path, name: str, files: Mapping[str, bytes], numbered: bool) -> Path:
    """Put a directory with files in place; runs of the same second get a number, if they may."""
    part = parent / f".{name}.{uuid.uuid4().hex}.part"
    try:
        part.mkdir(parents=True)
        for file, content in files.items():
            write_whole(part / file, content)
        for number in range(1, 10_000):
            path = parent / (name if number == 1 else f"{name}-{number}")
            try:
                part.rename(path)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                if numbered:
                    continue
                shutil.rmtree(part)
                raise Busy(f"{path} was just begun by another process") from error
            flush_to_disk(parent)
            return path
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise ConfigError(f"output_dir must be a directory to write in: {error}") from error
    raise ConfigError(f"output_dir holds ten thousand runs of one second: {parent / name}")


def _killed(session: Session) -> Session:
    """Say of a session that didn't write down how it ended what must have happened."""
    return {**session, "status": "killed"} if session.get("status") == "running" else session


def _now() -> datetime:
    return datetime.now().astimezone()
