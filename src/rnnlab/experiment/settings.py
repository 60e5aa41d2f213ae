"""Settings of training: budgets, precision, devices."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from rnnlab.errors import ConfigError
from rnnlab.process.global_state import global_state_restored
from rnnlab.ranges import Minutes, Positive, PositiveInt
from rnnlab.stackable import stackable

if TYPE_CHECKING:
    import lightning.pytorch as L
    from lightning.pytorch.loggers.logger import Logger


@stackable()
@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """Settings of training, which ends when the first of its budgets is used up.

    Attributes:
        accelerator: `cpu` or `gpu`; `auto` is replaced by one of them.
        devices: number of devices, which divide every batch.
        strategy: how several devices work together.
        precision: floating-point precision, by Lightning's name.
        deterministic: use only algorithms that are reproducible bit for bit.
        max_steps: budget in updates.
        max_sequences: budget in sequences, or `null`.
        max_minutes: budget in minutes of training, or `null`.
        val_every: updates between validations.
        log_every: updates between rows of training scalars.
        clip_norm: largest norm of the gradient, or `null`.
        accumulate: batches per update; its loss is the mean over all their answered steps.
        save_every: updates between checkpoints, besides those after validations, or `null`.
        save_minutes: the longest time without a checkpoint, or `null`.
        patience: validations without a new best before training stops, or `null`.
        overfit: train and validate on training batch 0 only.
        profile: print the slowest actions after training.
    """

    accelerator: Literal["cpu", "gpu", "auto"]
    devices: PositiveInt
    strategy: Literal["auto", "ddp"]
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true"]
    deterministic: bool
    max_steps: PositiveInt
    max_sequences: PositiveInt | None
    max_minutes: Minutes | None
    val_every: PositiveInt
    log_every: PositiveInt
    clip_norm: Positive | None
    accumulate: PositiveInt
    save_every: PositiveInt | None
    save_minutes: Positive | None
    patience: PositiveInt | None
    overfit: bool
    profile: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "accelerator", resolve_accelerator(self.accelerator))

    def total_steps(self, batch_size: int) -> int:
        """Return the updates of the whole run, with `batch_size` sequences per batch."""
        if self.max_sequences is None:
            return self.max_steps
        return min(self.max_steps, max(1, self.max_sequences // (batch_size * self.accumulate)))

    @property
    def device(self) -> torch.device:
        """The first device."""
        return torch.device("cpu" if self.accelerator == "cpu" else "cuda")

    @property
    def determinism(self) -> str:
        """How exactly a run with the same config has the same numbers, for `run.json`."""
        same = "bit for bit with the same versions"
        if self.accelerator == "cpu":
            return f"{same}, kind of processor and threads"
        return f"{same} and device" if self.deterministic else "nearly: deterministic is false"

    def check(self, batch_size: int) -> None:
        """Refuse settings that don't work on this machine.

        Raises:
            ConfigError: a device is missing, doesn't support the precision, or can't have an equal
                share of a batch.
        """
        if self.accelerator == "cpu" and self.precision == "16-mixed":
            raise ConfigError("trainer.precision=16-mixed needs trainer=gpu: take bf16-mixed")
        if self.accelerator == "gpu" and torch.cuda.device_count() < self.devices:
            raise ConfigError(
                f"trainer.devices={self.devices} needs as many CUDA devices, found "
                f"{torch.cuda.device_count()}: take trainer=cpu"
            )
        if batch_size % self.devices:
            raise ConfigError(
                f"data.batch_size must be a multiple of trainer.devices={self.devices}, "
                f"got {batch_size}"
            )
        if self.devices > 1:
            self._check_cluster()

    def _check_cluster(self) -> None:
        """Refuse a job of a cluster that has other resources than these devices."""
        import lightning.pytorch as L
        from lightning.fabric.utilities.exceptions import MisconfigurationException

        try:
            with global_state_restored():
                L.Trainer(
                    accelerator=self.accelerator,
                    devices=self.devices,
                    strategy=self.strategy,
                    logger=False,
                    enable_checkpointing=False,
                    enable_progress_bar=False,
                    enable_model_summary=False,
                )
        except (MisconfigurationException, RuntimeError, ValueError, LookupError, OSError) as error:
            raise ConfigError(
                f"trainer.devices={self.devices} doesn't go with this cluster's job: {error}"
            ) from error

    def build(
        self,
        directory: Path,
        batch_size: int,
        callbacks: "list[L.Callback]",
        loggers: "list[Logger]",
    ) -> "L.Trainer":
        """Make Lightning's trainer.

        With one device it ignores any cluster; with several, Lightning looks for a cluster (Slurm,
        torchrun, LSF, MPI) that has started the other processes.

        Args:
            directory: Lightning's root directory.
            batch_size: sequences per batch.
            callbacks: in the order in which they are called.
            loggers: all loggers.
        """
        import lightning.pytorch as L  # takes a second; evaluation doesn't need it
        from lightning.fabric.plugins.environments.lightning import LightningEnvironment
        from lightning.pytorch.utilities import rank_zero_only

        from rnnlab.files.checked_io import CheckedIO

        if self.devices == 1:  # else Lightning's loggers are silent in other ranks of a job
            rank_zero_only.rank = 0  # type: ignore[attr-defined]
        return L.Trainer(
            accelerator=self.accelerator,
            devices=self.devices,
            strategy=self.strategy,
            default_root_dir=directory,
            precision=self.precision,
            deterministic=self.deterministic,
            max_epochs=-1,
            max_steps=self.total_steps(batch_size),
            max_time=None if self.max_minutes is None else timedelta(minutes=self.max_minutes),
            reload_dataloaders_every_n_epochs=1,  # asks for the length of the last, shorter epoch
            gradient_clip_val=self.clip_norm,
            accumulate_grad_batches=self.accumulate,
            log_every_n_steps=1,  # without effect: `Telemetry` logs; a larger one would warn
            profiler="simple" if self.profile else None,
            callbacks=callbacks,
            logger=loggers,
            plugins=[CheckedIO(), *([LightningEnvironment()] if self.devices == 1 else [])],
            enable_checkpointing=False,  # `Checkpoints` saves
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )


def resolve_accelerator(accelerator: str) -> str:
    """Replace `auto` by `gpu` if CUDA is available, else by `cpu`."""
    if accelerator != "auto":
        return accelerator
    return "gpu" if torch.cuda.is_available() else "cpu"
