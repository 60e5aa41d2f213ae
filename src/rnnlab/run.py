"""A run directory: what a run wrote, and all that is needed to use its model again."""

import dataclasses
import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnlab.errors import ConfigError

if TYPE_CHECKING:
    from rnnlab.experiment import Experiment
    from rnnlab.models.base import Model
    from rnnlab.tasks.base import Task

_PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "numpy", "tensorboard")
_CHILD = "RNNLAB_RUN_DIRECTORY"  # tells the other processes of one training where to write


@dataclasses.dataclass(frozen=True)
class Run:
    """A directory `outputs/<task>/<model>/<time>-<hash>/` and what it holds.

    `config.yaml` (resolved), `run.json` (the run card), `metrics.csv`, `results.json`,
    `samples.md`, `checkpoints/{last,best}.ckpt`, TensorBoard events, `figures/`.

    Args:
        path: the directory.
    """

    path: Path

    @classmethod
    def create(cls, cfg: DictConfig) -> "Run":
        """Make a new directory, write the config and open the run card."""
        if os.environ.get("LOCAL_RANK", "0") != "0" and _CHILD in os.environ:
            return cls(Path(os.environ[_CHILD]))
        now = datetime.now().astimezone()
        text = OmegaConf.to_yaml(cfg, resolve=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:6]
        parent = Path(cfg.output_dir) / str(cfg.choices["task"]) / str(cfg.choices["model"])
        name = f"{now:%Y-%m-%d_%H-%M-%S}-{digest}"
        run = cls(_make_directory(parent, name))
        os.environ[_CHILD] = str(run.path)
        (run.path / "config.yaml").write_text(text, encoding="utf-8")
        run.write_card({**_environment(), "seed": cfg.seed, "threads": cfg.threads})
        return run

    @classmethod
    def load(cls, path: str | Path) -> "Run":
        """Open a run directory.

        Raises:
            ConfigError: it isn't one.
        """
        run = cls(Path(path))
        if not (run.path / "config.yaml").is_file():
            raise ConfigError(
                f"run must be the directory of a run, with a config.yaml in it, got {path}"
            )
        return run

    @cached_property
    def config(self) -> DictConfig:
        """The resolved config."""
        try:
            cfg = OmegaConf.load(self.path / "config.yaml")
        except Exception as error:
            # OmegaConf lets its yaml parser's and decoder's errors through as they are.
            raise ConfigError(f"{self.path / 'config.yaml'} can't be read: {error}") from error
        if not isinstance(cfg, DictConfig):
            raise ConfigError(f"{self.path / 'config.yaml'} must hold a mapping")
        return cfg

    @property
    def card(self) -> dict[str, Any]:
        """What is known of the run: command, versions, git state, device, status."""
        return self._read("run.json")

    @property
    def results(self) -> dict[str, Any]:
        """The final metrics, floors and costs."""
        return self._read("results.json")

    @property
    def curve(self) -> list[dict[str, float]]:
        """The rows of `metrics.csv`: a mapping a step, from metric to value."""
        from rnnlab.csv_log import read_curve

        return read_curve(self.path / "metrics.csv")

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

        Args:
            overrides: `key=value` for keys of the config, such as another length of the task.
            checkpoint: `best` or `last`.

        Raises:
            ConfigError: an override or the directory is at fault, or no longer fits the weights.
        """
        from rnnlab.compose import apply_overrides
        from rnnlab.experiment import Experiment

        experiment = Experiment.assemble(apply_overrides(self.config, overrides))
        known = self.card.get("fingerprint") if (self.path / "run.json").is_file() else None
        if known not in (None, experiment.task.fingerprint()):
            raise ConfigError(
                "task: its symbols or sizes are not those that the model learnt; settings differ, "
                "or the file at task.path was changed after training"
            )
        experiment.load_weights(self.path / "checkpoints" / f"{checkpoint}.ckpt")
        return experiment

    def write_card(self, facts: dict[str, Any]) -> None:
        """Add facts to `run.json`."""
        known = self.card if (self.path / "run.json").exists() else {}
        self.write_json("run.json", {**known, **facts})

    def write_json(self, name: str, value: Any) -> None:
        """Write a file whole or not at all."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)

    def append_line(self, name: str, value: Any) -> None:
        """Add a line of JSON to a file."""
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(value, ensure_ascii=False) + "\n")

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        if not path.is_file():
            raise ConfigError(f"{path} is missing: the run didn't get so far")
        loaded = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(loaded, dict)
        return loaded


def _make_directory(parent: Path, name: str) -> Path:
    """Make a directory that wasn't there; runs of the same second get a number."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            path = parent / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise ConfigError(f"output_dir must be a directory to write in: {error}") from error
    raise ConfigError(f"output_dir holds ten thousand runs of one second: {parent / name}")


def _environment() -> dict[str, Any]:
    """Record what a run stands on."""
    return {
        "status": "running",
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("rnnlab", *_PACKAGES)},
        "platform": platform.platform(),
        "processor": platform.machine(),
        "git": _git(),
    }


def _git() -> dict[str, Any] | None:
    """Give commit and dirty flag of the checkout that this code lies in, if it lies in one."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(status.strip())}
