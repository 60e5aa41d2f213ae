"""Run directories: their files, and how a training writes them."""

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from rnnlab.config.stored import read_config, read_settings, run_config_path
from rnnlab.errors import Busy, ConfigError
from rnnlab.files.atomic import path_inside, remove_part_files, write_atomically
from rnnlab.files.untrusted import RunCard, Session, Vocabulary, read_json
from rnnlab.process import rank
from rnnlab.runs.environment import environment
from rnnlab.runs.new_run import FORMAT, NewRun, make_directories
from rnnlab.runs.offering import Offering

_Kind = TypeVar("_Kind")


@dataclasses.dataclass(frozen=True)
class RunDirectory(metaclass=Offering):
    """A run directory `outputs/<task>/<model>/<time>-<hash>/`.

    It holds `config.yaml` (resolved), `run.json` (the run card), `vocabulary.json` (the symbol of
    each id), `metrics.csv`, `results.json`, `samples.md`, `checkpoints/{last,best}.ckpt`,
    TensorBoard events and `figures/`.

    Args:
        path: the directory.
    """

    path: Path
    offered: ClassVar[tuple[str, ...]] = (
        *("path", "status", "config", "card", "results", "curve", "plot", "figures", "samples"),
        *("model", "task"),
    )

    @classmethod
    def create(
        cls,
        cfg: DictConfig,
        directory: Path | None = None,
        overrides: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """Make a new run directory with `config.yaml` and `run.json`.

        Args:
            cfg: the whole config.
            directory: its path; `None` for `<output_dir>/<task>/<model>/<time>-<hash>`.
            overrides: the overrides on the command line, key -> value.

        Raises:
            ConfigError: it can't be made.
        """
        if rank.is_launched_rank():
            return cls(rank.launched_run())
        return cls.create_all([NewRun(cfg, directory, overrides)])[0]

    @classmethod
    def create_all(cls, new: Sequence[NewRun]) -> list[Self]:
        """Make run directories as `create` does, all of which are flushed to disk at once.

        Raises:
            Busy: another process has just made one; those before it stay.
            ConfigError: one can't be made; those before it stay.
        """
        return [cls(path) for path in make_directories(new)]

    @classmethod
    def load(cls, path: str | Path, key: str = "run") -> Self:
        """Open a run directory.

        Args:
            path: the directory.
            key: the setting that named it, for errors.

        Raises:
            ConfigError: it is not a run directory.
        """
        return cls(run_config_path(path, key).parent)

    def __dir__(self) -> list[str]:
        return [*dir(type(self)), "path"]

    def file(self, name: str) -> Path:
        """Return the path of a file or directory in the run directory, which need not exist.

        Raises:
            ConfigError: it is a link out of the directory, a device or a pipe.
        """
        return path_inside(self.path, name)

    def figure(self, name: str) -> Path:
        """Return the path of a figure, and make the directory `figures`."""
        path = self.file(f"figures/{name}")
        path.parent.mkdir(exist_ok=True)
        return path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the directory against training by other processes, and remove unfinished files.

        The lock is released when the process ends, however it ends.

        Raises:
            Busy: another process is training the run.
            ConfigError: the directory can't be written.
        """
        if rank.is_launched_rank():
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
                remove_part_files(directory, alone=True)
            remove_part_files(self.file("figures"))
            yield
        finally:
            lock.release()

    @cached_property
    def config(self) -> DictConfig:
        """The resolved config.

        Raises:
            ConfigError: it is damaged, or the directory has another format.
        """
        if self.file("run.json").is_file():
            self.check_format(self.card)
        return read_config(self.file("config.yaml"))

    @cached_property
    def subject(self) -> str:
        """Model and task: the small line in pictures of training, equal bytes for equal runs."""
        chosen = self.config.get("choices") or {}
        named = (f"{group} {chosen[group]}" for group in ("model", "task") if chosen.get(group))
        return "   ".join(named)

    @property
    def imprint(self) -> str:
        """The small line in figures of analyses: run, model and task."""
        return f"run {self.path.name}   {self.subject}".rstrip()

    def settings(self, card: RunCard | None) -> dict[str, Any]:
        """Read the resolved config as plain containers, ten times as fast as `config`.

        Args:
            card: the run card, or `None` if there is none.

        Raises:
            ConfigError: it is damaged, or the directory has another format.
        """
        if card is not None:
            self.check_format(card)
        return read_settings(self.file("config.yaml"))

    def check_format(self, card: RunCard) -> None:
        """Refuse a run directory of another format.

        Raises:
            ConfigError: its run card says so.
        """
        if (found := card.get("format", 0)) != FORMAT:
            which = "an earlier" if found < FORMAT else "a later"
            raise ConfigError(
                f"{self.path} was written by {which} version of rnnlab (format {found}): "
                f"this one opens format {FORMAT}"
            )

    @property
    def card(self) -> RunCard:
        """The run card: command, versions, git state, device, status."""
        return self.read("run.json", RunCard)

    @property
    def status(self) -> str:
        """The status: begun, running, finished, interrupted, pruned, diverged or failed."""
        return self.card["status"] if self.file("run.json").is_file() else "begun"

    @property
    def is_finished(self) -> bool:
        """Whether training has finished."""
        return self.status == "finished"

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The symbol of each id; empty if the task's code defines them, or they weren't stored."""
        path = self.file("vocabulary.json")
        return tuple(read_json(path, Vocabulary)["symbols"]) if path.exists() else ()

    def reopen(self, cfg: DictConfig) -> None:
        """Write the config of a resumed training, and remove the results of an earlier one."""
        if rank.is_launched_rank():
            return
        write_atomically(self.file("config.yaml"), OmegaConf.to_yaml(cfg).encode())
        self.file("results.json").unlink(missing_ok=True)

    def begin(self, step: int, facts: dict[str, Any], symbols: Sequence[str] = ()) -> None:
        """Record the start of a training session in `run.json`.

        Args:
            step: updates done before.
            facts: fields of `run.json` that describe this training.
            symbols: the symbol of each id, if they come from data; stored in `vocabulary.json`.
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
                "sessions": [*map(_mark_killed, card.get("sessions", [])), session],
            },
        )

    def end(self, status: str, step: int, time_spent: dict[str, float], reason: str = "") -> None:
        """Record the end of a training session in `run.json`.

        Args:
            status: `finished`, `interrupted`, `pruned`, `diverged` or `failed`.
            step: updates in the newest checkpoint.
            time_spent: wall and CPU seconds of these updates, over all sessions.
            reason: why training diverged.
        """
        card = self.card
        ended = {"status": status, "ended": _now().isoformat(timespec="seconds")}
        ended |= {"reason": reason} if reason else {}
        *before, session = card.get("sessions") or [{}]  # it may end before `begin`
        sessions = [*before, {**session, **ended, "last_step": step}]
        rounded = {name: round(value, 3) for name, value in time_spent.items()}
        self.write_json("run.json", {**card, **ended, **rounded, "sessions": sessions})

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file atomically."""
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        write_atomically(self.file(name), text.encode())

    def append_line(self, name: str, value: Any) -> None:
        """Append a line of JSON to a file."""
        path = self.file(name)
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(value, ensure_ascii=False) + "\n")
        except OSError as error:
            raise ConfigError(f"{path} can't be written: {error.strerror}") from error

    def read(self, name: str, kind: type[_Kind]) -> _Kind:
        """Read a JSON file of the directory.

        Raises:
            ConfigError: it is missing or damaged.
        """
        path = self.file(name)
        if not path.exists():
            raise ConfigError(f"{path} is missing: the run didn't get so far")
        return read_json(path, kind)


def _mark_killed(session: Session) -> Session:
    """Mark a session as killed if its end was not recorded."""
    return {**session, "status": "killed"} if session.get("status") == "running" else session


def _now() -> datetime:
    return datetime.now().astimezone()
