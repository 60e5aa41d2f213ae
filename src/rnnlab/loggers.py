"""Where scalars go beside `metrics.csv`: TensorBoard events in the run, and a service if asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
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

    def log_settings(self, cfg: DictConfig, scores: Mapping[str, float]) -> None:
        """Write settings and final scores for TensorBoard's page of them."""
        for summary in hparams(flat_settings(cfg), dict(scores)):
            self.experiment._get_file_writer().add_summary(summary)


def flat_settings(cfg: DictConfig) -> dict[str, bool | int | float | str]:
    """Give every setting by its dotted key, as what loggers take."""
    return {
        name: value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in _flat(OmegaConf.to_container(cfg, resolve=True)).items()
        if not name.endswith("_target_") and name != "output_dir"
    }


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
