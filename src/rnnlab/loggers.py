"""Where scalars go beside `metrics.csv`: TensorBoard events in the run, and a service if asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch.utils.tensorboard.summary import hparams

from rnnlab.config import build
from rnnlab.errors import ConfigError


class Events(TensorBoardLogger):
    """TensorBoard events: one file straight in the run directory, and no config beside ours.

    Args:
        path: the run directory.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, name="", version="", default_hp_metric=False)

    @rank_zero_only
    def save(self) -> None:
        """Write out what waits."""
        self.experiment.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:  # noqa: ARG002
        """Write out what waits, and stay open: final scores and samples follow training."""
        self.save()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write scalars, without the count of epochs, which here are only validations."""
        super().log_metrics({k: v for k, v in metrics.items() if k != "epoch"}, step)

    @rank_zero_only
    def show(self, name: str, thing: str | Image.Image, step: int) -> None:
        """Write a text, in a fixed-width block, or a picture."""
        if isinstance(thing, str):
            block = "\n".join("    " + line for line in thing.splitlines())
            self.experiment.add_text(name, block, step)
        else:
            pixels = np.asarray(thing.convert("RGB"))
            self.experiment.add_image(name, pixels, step, dataformats="HWC")

    def log_settings(self, cfg: DictConfig, scores: Mapping[str, float]) -> None:
        """Write settings and final scores for TensorBoard's page of them."""
        for summary in hparams(flat_settings(cfg), dict(scores)):
            self.experiment._get_file_writer().add_summary(summary)


def flat_settings(cfg: DictConfig) -> dict[str, bool | int | float | str]:
    """Give the names of task and model, and every setting by its dotted key, but those at null."""
    named = {group: str(cfg.choices[group]) for group in ("task", "model")}
    settings = {
        name: value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in _flat(OmegaConf.to_container(cfg, resolve=True)).items()
        if value is not None
        and not name.endswith("_target_")
        and not name.startswith("choices")
        and name != "output_dir"
    }
    return named | settings


def service(cfg: DictConfig) -> Logger | None:
    """Build the logger of `logger=NAME`, if one was chosen.

    Raises:
        ConfigError: its package is not installed, or it can't start.
    """
    if not cfg.get("logger"):
        return None
    name = cfg.choices.get("logger")
    try:
        logger = build("logger", cfg.logger)
    except ConfigError as error:
        if isinstance(error.__cause__, ImportError):
            raise ConfigError(
                f"logger={name} needs a package that is not installed: pip install 'rnnlab[{name}]'"
            ) from error
        raise
    except Exception as error:
        # Whatever the service's own package raises, it is about these settings.
        raise ConfigError(f"logger={name} can't start: {error}") from error
    assert isinstance(logger, Logger)
    return logger


def close(logger: Logger) -> None:
    """End what a logger wrote of this run, so that the next one of a grid is another."""
    if isinstance(logger, Events):
        logger.experiment.close()
    elif isinstance(logger, WandbLogger):
        logger.experiment.finish()


def _flat(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {
        name: leaf
        for key, value in tree.items()
        for name, leaf in _flat(value, f"{path}.{key}" if path else key).items()
    }
