"""Where scalars go beside `metrics.csv`: TensorBoard events in the run, and a service if asked."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import hparams

from rnnlab.config import build
from rnnlab.errors import ConfigError
from rnnlab.files import flush_to_disk, write_whole
from rnnlab.rank import is_helper

# What TensorBoard's page of custom scalars draws into one chart; tags are regular expressions.
_CHARTS = {
    "learning": {
        "loss": [r"(train|val)/(free_)?loss"],
        "right": [r"(train|val)/(free_)?(accuracy|exact_match|correct|bleu|chrf)"],
        "learning rate": [r"train/learning_rate"],
    },
    "gradient": {
        "norm before and after clipping": [r"train/grad_norm", r"watch/grad_norm_clipped"],
        "how far back it reaches, in steps": [r"watch/horizon.*"],
    },
    "state": {
        "spectral radius of a step": [r"watch/spectral_radius.*"],
        "share of saturated units and gates": [r"watch/saturated.*"],
    },
    "time": {"a second": [r"time/.*"]},
}
_LAYOUT = "custom_scalars__config__"  # TensorBoard's name for it
_EVENTS = "events.out.tfevents.*[0-9]"  # and no `.part` that was left of one


class Events(TensorBoardLogger):
    """TensorBoard events: straight in the run directory, and no config beside ours.

    Each process that trains a run writes a file of its own.

    Args:
        path: the run directory.
        step: where training goes on; what earlier files say of later steps is taken out.
    """

    def __init__(self, path: Path, step: int) -> None:
        # A TensorBoard that is open forgets later steps when it meets `purge_step`.
        kept = _cut_events(path, step)
        purge: dict[str, Any] = {} if kept is None else {"purge_step": step + 1}
        super().__init__(path, name="", version="", default_hp_metric=False, **purge)
        self._path = path
        if kept is None or _LAYOUT not in kept:
            self._lay_out()

    @rank_zero_only
    def _lay_out(self) -> None:
        """Say which scalars share a chart."""
        self.experiment.add_custom_scalars(
            {
                category: {title: ["Multiline", tags] for title, tags in charts.items()}
                for category, charts in _CHARTS.items()
            }
        )

    @rank_zero_only
    def save(self) -> None:
        """Write out what waits, to the disk."""
        self.experiment.flush()
        for path in self._path.glob(_EVENTS):
            flush_to_disk(path)

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
            png = io.BytesIO()
            thing.convert("RGB").save(png, "PNG", compress_level=1)  # five times as fast as 6
            image = Summary.Image(
                height=thing.height,
                width=thing.width,
                colorspace=3,
                encoded_image_string=png.getvalue(),
            )
            summary = Summary(value=[Summary.Value(tag=name, image=image)])
            self.experiment._get_file_writer().add_summary(summary, step)

    def log_settings(self, cfg: DictConfig, scores: Mapping[str, float]) -> None:
        """Write settings and final scores for TensorBoard's page of them."""
        for summary in hparams(flat_settings(cfg), dict(scores)):
            self.experiment._get_file_writer().add_summary(summary)


def flat_settings(cfg: DictConfig) -> dict[str, bool | int | float | str]:
    """Give the names of task and model, and every setting by its dotted key, but those at null."""
    named = {group: str(cfg.choices[group]) for group in ("task", "model")}
    settings = {
        name: value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in flat(OmegaConf.to_container(cfg, resolve=True)).items()
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


def _cut_events(path: Path, step: int) -> set[str] | None:
    """Take out events after a step, final scores and settings too, which a new end will write.

    Gives the tags of what is left, `None` if there were no files.
    """
    files = [] if is_helper() else list(path.glob(_EVENTS))
    left: set[str] = set()
    for file in files:
        kept = io.BytesIO()
        writer = RecordWriter(kept)
        for record in RawEventFileLoader(str(file)).Load():
            event = Event.FromString(record)
            tags = [value.tag for value in event.summary.value]
            final = any(tag.startswith(("test/", "_hparams_/")) for tag in tags)
            if event.HasField("file_version") or (event.step <= step and not final):
                writer.write(record)
                left.update(tags)
        write_whole(file, kept.getvalue())
    return left if files else None


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    """Give the leaves of nested mappings by their dotted keys."""
    if not isinstance(tree, dict):
        return {path: tree}
    return {
        name: leaf
        for key, value in tree.items()
        for name, leaf in flat(value, f"{path}.{key}" if path else key).items()
    }
