"""Where scalars go beside `metrics.csv`: TensorBoard events in the run, and a service if asked."""

import io
import itertools
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog, SourceMetadata
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.utils.tensorboard import summary

from rnnlab.config.build import build
from rnnlab.config.compose import flat
from rnnlab.errors import ConfigError
from rnnlab.files.foreign import opened
from rnnlab.files.whole import flush_to_disk, write_whole
from rnnlab.process.output import note
from rnnlab.process.rank import is_helper
from rnnlab.runs.records import framed, unframed
from rnnlab.spelling import printable

if TYPE_CHECKING:
    from lightning.pytorch.loggers.logger import Logger

# What TensorBoard's page of custom scalars draws into one chart, beside the metrics of which higher
# values are better; tags are regular expressions.
_CHARTS = {
    "learning": {
        "loss": [r"(train|val)/(free_)?loss"],
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
_VERSION = "brain.Event:2"
_PATIENCE = 120.0  # seconds until what waits is written, for a TensorBoard that is open
_LARGEST = 2**32  # bytes of events
_numbers = itertools.count()  # of this process's files


class Events:
    """TensorBoard events: straight in the run directory, and no config beside ours.

    Each process that trains a run writes a file of its own. Records wait until they are saved,
    and are framed all at once: TensorBoard's own writer takes a thread, and ten times as long.

    Args:
        path: the run directory.
        step: where training goes on; what earlier files say of later steps is taken out.
        higher_is_better: what the task declares of its metrics.
        expected: how many records there were up to `step`; it is said where some are missing.
    """

    def __init__(
        self,
        path: Path,
        step: int,
        higher_is_better: Mapping[str, bool] = MappingProxyType({}),
        expected: int | None = None,
    ) -> None:
        self._waiting: list[bytes] = []
        self._written_at = time.monotonic()
        kept = None if is_helper() else _cut_events(path, step)
        self._counts = Counter[int]() if kept is None else kept.counts
        missing = 0 if expected is None or is_helper() else expected - self.count(step)
        if missing > 0:
            note(
                f"{path}: of TensorBoard's {expected} records up to update {step} {missing} are "
                "missing; metrics.csv has all scalars"
            )
        # TensorBoard reads files by name: a clock that was set back must not change their order.
        began = max(int(time.time()), 0 if kept is None else kept.began + 1)
        self._ahead = 0.0 if kept is None else max(kept.wall_time - time.time(), 0.0)
        name = f"{began:010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._path = path / f"events.out.tfevents.{name}"
        writer = SourceMetadata(writer="tensorboard.summary.writer.event_file_writer")
        self._add(Event(file_version=_VERSION, source_metadata=writer))
        if kept is not None:  # a TensorBoard that is open forgets later steps
            self._add(Event(file_version=_VERSION, step=step + 1))
            self._add(Event(session_log=SessionLog(status=SessionLog.START), step=step + 1))
        if kept is None or _LAYOUT not in kept.tags:
            risen = "|".join(re.escape(name) for name, higher in higher_is_better.items() if higher)
            better = {"higher is better": [rf"(train|val)/(free_)?({risen})"]} if risen else {}
            layout = {
                category: {title: ["Multiline", tags] for title, tags in charts.items()}
                for category, charts in {
                    **_CHARTS,
                    "learning": _CHARTS["learning"] | better,
                }.items()
            }
            self._add(Event(summary=summary.custom_scalars(layout)))
        self.write()

    def count(self, step: int) -> int:
        """Count the records up to a step in all files; final scores are none of them."""
        return sum(count for at, count in self._counts.items() if at <= step)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Write scalars, without the count of epochs, which here are only validations."""
        for name, value in metrics.items():
            if name != "epoch":
                scalar = Summary.Value(tag=name, simple_value=float(value))
                self._add(Event(summary=Summary(value=[scalar]), step=step))

    def show(self, name: str, thing: str | Image.Image, step: int) -> None:
        """Write a text, in a fixed-width block, or a picture."""
        if isinstance(thing, str):
            text = printable(thing, lines=True)
            block = "\n".join("    " + line for line in text.splitlines())
            self._add(Event(summary=summary.text(name, block), step=step))
        else:
            self.show_picture(name, png(thing), thing.size, step)

    def show_picture(self, name: str, data: bytes, size: tuple[int, int], step: int) -> None:
        """Write a picture that is a PNG already, of that width and height."""
        width, height = size
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=data)
        shown = Summary(value=[Summary.Value(tag=name, image=image)])
        self._add(Event(summary=shown, step=step))

    def show_histogram(self, name: str, values: Tensor, step: int) -> None:
        """Write how values are spread."""
        spread = summary.histogram(name, values.detach(), _bins())
        self._add(Event(summary=spread, step=step))

    def log_settings(self, cfg: DictConfig, scores: Mapping[str, float]) -> None:
        """Write settings and final scores for TensorBoard's page of them."""
        for part in summary.hparams(flat_settings(cfg), dict(scores)):
            self._add(Event(summary=part))

    def _add(self, event: Event) -> None:
        event.wall_time = time.time() + self._ahead
        self._counts[event.step] += event.HasField("summary") and not _is_final(event)
        self._waiting.append(event.SerializeToString())
        if time.monotonic() - self._written_at > _PATIENCE:
            self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        if self._waiting and not is_helper():
            with self._path.open("ab") as file:
                file.write(framed(self._waiting))
        self._waiting.clear()
        self._written_at = time.monotonic()

    def save(self) -> None:
        """Bring the file up to date, on the disk too."""
        self.write()
        if not is_helper():
            flush_to_disk(self._path)


def png(picture: Image.Image) -> bytes:
    """Give the bytes of a PNG file."""
    data = io.BytesIO()
    picture.convert("RGB").save(data, "PNG", compress_level=1)  # five times as fast as 6
    return data.getvalue()


def flat_settings(cfg: DictConfig) -> dict[str, bool | int | float | str]:
    """Give the names of task and model, and every setting by its dotted key, but those at null."""
    named = {group: str(cfg.choices[group]) for group in ("task", "model")}
    settings = {
        name: value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in flat(OmegaConf.to_container(cfg, resolve=True)).items()
        if value is not None
        and not name.endswith("_target_")
        and not name.startswith(("choices", "files"))
        and name != "output_dir"
    }
    return named | settings


def make_external_logger(cfg: DictConfig) -> "Logger | None":
    """Build the logger of `logger=NAME`, if one was chosen.

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
        # Whatever the service's own package raises, it is about these settings.
        raise ConfigError(f"logger={name} can't start: {error}") from error
    assert isinstance(logger, Logger)
    return logger


def close(logger: "Logger") -> None:
    """End what a service was told of this run, so that the next one of a grid is another."""
    from lightning.pytorch.loggers import WandbLogger

    if isinstance(logger, WandbLogger):
        logger.experiment.finish()


class _Kept(NamedTuple):
    """What is left of earlier files: tags, records by step, the last name and wall time."""

    tags: set[str]
    counts: Counter[int]
    began: int
    wall_time: float


def _cut_events(path: Path, step: int) -> _Kept | None:
    """Take out events after a step, final scores and settings too, which a new end will write.

    Bytes that are no whole record go, and those behind them stay. Gives `None` where there are no
    files.
    """
    files = sorted(file for file in path.glob(_EVENTS) if _is_sane(file))
    if not files:
        return None
    tags: set[str] = set()
    counts, wall_time = Counter[int](), 0.0
    for file in files:
        with opened(file, largest=_LARGEST) as content:
            records, gaps = unframed(content.read())
        if gaps:
            note(f"{file} is damaged in {gaps} places: what can be read is kept")
        kept = []
        for record in records:
            try:
                event = Event.FromString(record)
            except DecodeError:
                continue
            if not _is_final(event) and (event.HasField("file_version") or event.step <= step):
                kept.append(record)
                tags.update(value.tag for value in event.summary.value)
                counts[event.step] += event.HasField("summary")
                wall_time = max(wall_time, event.wall_time)
        write_whole(file, framed(kept))
    return _Kept(tags, counts, max(map(_began, files)), wall_time)


def _is_final(event: Event) -> bool:
    """Tell final scores and settings, which each end of training writes."""
    return any(value.tag.startswith(("test/", "_hparams_/")) for value in event.summary.value)


def _began(file: Path) -> int:
    """Give the number in a file's name, by which TensorBoard orders files."""
    number = file.name.removeprefix(_EVENTS.partition("*")[0]).partition(".")[0]
    return int(number) if number.isdecimal() and len(number) <= 10 else 0


def _is_sane(file: Path) -> bool:
    """Tell whether a file may be read; what else has such a name stays as it is."""
    try:
        with opened(file, largest=_LARGEST):
            return not file.is_symlink()
    except ConfigError as error:
        note(f"{error}: left alone")
        return False


def _bins() -> list[float]:
    """Give the edges that TensorBoard has for histograms: a tenth more from each to the next."""
    edges, edge = [], 1e-12
    while edge < 1e20:
        edges.append(edge)
        edge *= 1.1
    return [*(-edge for edge in reversed(edges)), 0.0, *edges]
