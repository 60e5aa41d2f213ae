"""Making run directories, each with its first files or not at all."""

import errno
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from omegaconf import DictConfig

from rnnlab.config.plain import to_yaml
from rnnlab.errors import Busy, ConfigError
from rnnlab.files.atomic import undo_mkdir_on_error
from rnnlab.files.group_commit import flush

FORMAT = 2
"""Version of the format of run directories; increases with each incompatible change."""


class NewRun(NamedTuple):
    """A run directory to be made.

    Attributes:
        cfg: the whole config.
        directory: its path; `None` for `<output_dir>/<task>/<model>/<time>-<hash>`.
        overrides: the overrides on the command line, key -> value.
    """

    cfg: DictConfig
    directory: Path | None = None
    overrides: Mapping[str, str] = MappingProxyType({})


def make_directories(new: Sequence[NewRun]) -> list[Path]:
    """Make run directories with `config.yaml` and `run.json`; all are flushed to disk at once.

    Raises:
        Busy: another process has just made one; those before it stay.
        ConfigError: one can't be made; those before it stay.
    """
    with ExitStack() as stack:
        unnamed = []
        for one in new:
            unnamed.append(_Unnamed.of(one))
            stack.enter_context(undo_mkdir_on_error(unnamed[-1].parent))
            stack.callback(unnamed[-1].remove)
            with _directory_errors():
                unnamed[-1].write()
        with _directory_errors():
            flush([path for one in unnamed for path in one.paths])
            paths = [one.rename() for one in unnamed]
            flush(list(dict.fromkeys(path.parent for path in paths)))
    return paths


@dataclass(frozen=True)
class _Unnamed:
    """A run directory under a temporary name, until its files are on disk.

    Attributes:
        parent: the directory that it is in.
        name: its name to be.
        numbered: whether to append a number if the name is taken.
        files: name -> content.
        part: its temporary path.
    """

    parent: Path
    name: str
    numbered: bool
    files: Mapping[str, bytes]
    part: Path

    @classmethod
    def of(cls, new: NewRun) -> "_Unnamed":
        cfg, directory = new.cfg, new.directory
        text = to_yaml(cfg).encode()
        if directory is None:
            digest = hashlib.sha256(text).hexdigest()[:6]
            parent = Path(cfg.output_dir) / str(cfg.choices["task"]) / str(cfg.choices["model"])
            directory = parent / f"{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S}-{digest}"
        card = {"format": FORMAT, "status": "begun", "overrides": dict(new.overrides)}
        files = {"config.yaml": text, "run.json": (json.dumps(card) + "\n").encode()}
        parent, name = directory.parent, directory.name
        part = parent / f".{name}.{uuid.uuid4().hex}.part"
        return cls(parent, name, new.directory is None, files, part)

    @property
    def paths(self) -> list[Path]:
        """Its files and the directory."""
        return [*(self.part / name for name in self.files), self.part]

    def write(self) -> None:
        self.part.mkdir(parents=True)
        for name, content in self.files.items():
            (self.part / name).write_bytes(content)

    def rename(self) -> Path:
        """Give it its name, and return its path.

        Raises:
            Busy: the name is taken.
            ConfigError: so are ten thousand numbered ones.
        """
        for number in range(1, 10_000):
            path = self.parent / (self.name if number == 1 else f"{self.name}-{number}")
            try:
                self.part.rename(path)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                if not self.numbered:
                    raise Busy(f"{path} was just begun by another process") from error
            else:
                return path
        path = self.parent / self.name
        raise ConfigError(f"output_dir holds ten thousand runs of one second: {path}")

    def remove(self) -> None:
        """Remove it, if it was not renamed."""
        shutil.rmtree(self.part, ignore_errors=True)


@contextmanager
def _directory_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"output_dir must be a directory to write in: {error}") from error
