"""What trains: budgets, precision, devices."""

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
class Training:
    """How to train. It ends with the first budget that is spent.

    Attributes:
        accelerator: where to run; of `auto` it is what `resolved` gives.
        devices: how many of them; each takes its share of every batch.
        strategy: how several devices work together.
        precision: of the arithmetic.
        deterministic: whether only algorithms that repeat bit for bit are allowed.
        max_steps: budget in updates.
        max_sequences: budget in sequences, or `null`.
        max_minutes: budget in minutes of training, or `null`.
        val_every: updates between validations.
        log_every: updates between rows of training scalars.
        clip_norm: largest norm of the gradient, or `null`.
        accumulate: batches an update, whose gradient is that of the mean over all their answers.
        save_every: updates between checkpoints, beside those after validations, or `null`.
        save_minutes: the longest time without a checkpoint, or `null`.
        patience: validations without a new best before training stops, or `null`.
        overfit: train and validate on training batch 0 alone.
        profile: print where the time went.
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
        object.__setattr__(self, "accelerator", resolved(self.accelerator))

    def total_steps(self, batch_size: int) -> int:
        """Give the budget in updates of `batch_size` sequences a batch."""
        if self.max_sequences is None:
            return self.max_steps
        return min(self.max_steps, max(1, self.max_sequences // (batch_size * self.accumulate)))

    @property
    def determinism(self) -> str:
        """Say how far a run repeats: the same numbers bit for bit, or nearly."""
        same = "bit for bit with the same versions"
        if self.accelerator == "cpu":
            return f"{same}, kind of processor and threads"
        return f"{same} and device" if self.deterministic else "nearly: deterministic is false"

    def check(self, batch_size: int) -> None:
        """Refuse what can't run here.

        Raises:
            ConfigError: a device isn't there, a precision isn't its, or a batch can't be shared.
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
        """Refuse a cluster's job that isn't laid out for these devices."""
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
        """Make Lightning's trainer, that keeps what it keeps in a directory.

        With one device it is alone, in whatever cluster's job it runs; with several Lightning looks
        for a cluster (Slurm, torchrun, LSF, MPI) that has started the others.
        """
        import lightning.pytorch as L  # takes a second, and evaluation does without
        from lightning.fabric.plugins.environments.lightning import LightningEnvironment
        from lightning.pytorch.utilities import rank_zero_only

        from rnnlab.files.checked_io import CheckedIO

        if self.devices == 1:  # or the rank of the job's step would silence what tells services
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
            reload_dataloaders_every_n_epochs=1,  # asks anew how long the last, shorter epoch is
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


def resolved(accelerator: str) -> str:
    """Return the accelerator that `trainer.accelerator` means here; `auto` is a GPU if any."""
    if accelerator != "auto":
        return accelerator
    return "gpu" if torch.cuda.is_available() else "cpu"
