"""An experiment: a config and the objects that it describes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from rnnlab.config.build import build, check, target
from rnnlab.errors import ConfigError
from rnnlab.experiment.data import Data, HeldOutLoader, OneBatch
from rnnlab.experiment.settings import TrainerSettings
from rnnlab.files import checkpoint
from rnnlab.metric import Mode
from rnnlab.models.base import Model
from rnnlab.process.arithmetic import arithmetic
from rnnlab.process.global_state import global_state_restored
from rnnlab.random_streams import seed_globals
from rnnlab.spec import Batch, Split
from rnnlab.spelling import first_line
from rnnlab.tasks.base import Task
from rnnlab.tasks.file_task import FileTask, StoredSymbols


@dataclass(frozen=True)
class Experiment:
    """A config and the objects that it describes."""

    cfg: DictConfig
    task: Task
    model: Model
    data: Data
    training: TrainerSettings

    @classmethod
    def assemble(cls, cfg: DictConfig, stored: StoredSymbols | None = None) -> "Experiment":
        """Check the whole config, then build its objects.

        Args:
            cfg: the whole config.
            stored: the symbols that a run stored, for a task whose symbols come from files.

        Raises:
            ConfigError: all problems that show before building, or the first in a constructor.
        """
        check(cfg)
        training: TrainerSettings = build("trainer", cfg.trainer)
        symbols = [stored] if stored and issubclass(target(cfg.task), FileTask) else []
        task: Task = build("task", cfg.task, target(cfg.model).layout, cfg.seed, *symbols)
        data: Data = build("data", cfg.data, task, training.accumulate)
        with global_state_restored(), arithmetic(cfg):
            seed_globals(cfg.seed, "weights")
            model: Model = build("model", cfg.model, task.spec)
        return cls(cfg, task, model, data, training)

    @property
    def mode(self) -> Mode:
        """Whether a lower or a higher monitored metric is better."""
        return self.task.mode(self.cfg.monitor)

    @property
    def num_parameters(self) -> int:
        """Number of trained parameters."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    def batches(self, split: Split, *, rank: int = 0, world_size: int = 1) -> Iterable[Batch]:
        """Iterate over the held-out batches of a split; under `overfit` it is training batch 0."""
        if self.training.overfit:
            return OneBatch(self.data, rank=rank, world_size=world_size)
        return HeldOutLoader(self.data, split, rank=rank, world_size=world_size)

    def load_weights(self, path: Path) -> None:
        """Load the weights of a checkpoint, as float32 whatever the precision of training.

        Raises:
            ConfigError: it is missing, can't be read, or doesn't fit the model.
        """
        weights = checkpoint.weights(path)
        self.model.float()
        try:
            self.model.load_state_dict(weights)
        except RuntimeError as error:
            _, _, details = str(error).strip().partition("\n")  # torch's first line names the class
            raise ConfigError(
                f"the settings don't fit the weights in {path}: {first_line(details or error)}"
            ) from error
        self.model.eval()
