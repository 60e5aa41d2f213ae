"""External loggers (`logger=wandb`, `logger=mlflow`), which log a run beside its own files."""

from typing import TYPE_CHECKING

from omegaconf import DictConfig

from rnnlab.config.build import build
from rnnlab.config.compose import flat
from rnnlab.config.plain import plain
from rnnlab.errors import ConfigError

if TYPE_CHECKING:
    from lightning.pytorch.loggers.logger import Logger


def make_external_logger(cfg: DictConfig) -> "Logger | None":
    """Build the logger of `logger=NAME`, or return `None` if none was chosen.

    Raises:
        ConfigError: its package is not installed, or it can't start.
    """
    if not cfg.get("logger"):
        return None
    from lightning.pytorch.loggers.logger import Logger

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
        # Whatever the logger's package raises, its settings are the cause.
        raise ConfigError(f"logger={name} can't start: {error}") from error
    assert isinstance(logger, Logger)
    return logger


def close(logger: "Logger") -> None:
    """Finish the run of an external logger, so that the next job of a sweep starts another one."""
    from lightning.pytorch.loggers import WandbLogger

    if isinstance(logger, WandbLogger):
        logger.experiment.finish()


def flat_settings(cfg: DictConfig) -> dict[str, bool | int | float | str]:
    """Return task, model and all settings that are not null, by dotted key, as hyperparameters."""
    named = {group: str(cfg.choices[group]) for group in ("task", "model")}
    settings = {
        name: value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in flat(plain(cfg)).items()
        if value is not None
        and not name.endswith("_target_")
        and not name.startswith(("choices", "files"))
        and name != "output_dir"
    }
    return named | settings
