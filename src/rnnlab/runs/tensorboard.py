"""TensorBoard events of a run."""

import itertools
import os
import re
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from omegaconf import DictConfig
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog, SourceMetadata
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.utils.tensorboard import summary

from rnnlab.errors import ConfigError
from rnnlab.files.atomic import write_atomically
from rnnlab.files.group_commit import fsync
from rnnlab.files.untrusted import open_regular_file
from rnnlab.metric import FINAL, base_name
from rnnlab.process.output import note
from rnnlab.process.rank import is_launched_rank
from rnnlab.runs import hparams
from rnnlab.runs.loggers import flat_settings
from rnnlab.runs.records import framed, unframed
from rnnlab.spelling import printable

# The charts of TensorBoard's custom scalars page, by regular expressions of tags; one with the
# metrics of which higher values are better is added.
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
_LEADING = ("model", "task", "seed", "optimizer.lr")  # settings
_FINAL_TAGS = (FINAL, "_hparams_/")
_LAYOUT = "custom_scalars__config__"  # TensorBoard's tag of the charts
_EVENTS = "events.out.tfevents.*[0-9]"  # and no unfinished `.part`
_VERSION = "brain.Event:2"
_FLUSH_SECONDS = 120.0  # the longest time until a record is written, as TensorBoard's writer has it
_LARGEST = 2**32  # bytes of an event file
_numbers = itertools.count()  # tell this process's files apart


class Events:
    """Writes TensorBoard events to an event file in the run directory.

    Each session of a run writes its own file. Records are buffered and framed all at once:
    TensorBoard's own writer takes a thread, and ten times as long.

    Args:
        path: the run directory.
        step: the step that training resumes from; later records in earlier files are removed.
        higher_is_better: metric -> whether higher values are better.
        expected: number of records up to `step`; a message is printed if some are missing.
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
        kept = None if is_launched_rank() else _cut_events(path, step)
        self._counts = Counter[int]() if kept is None else kept.counts
        missing = 0 if expected is None or is_launched_rank() else expected - self.count(step)
        if missing > 0:
            note(
                f"{path}: of TensorBoard's {expected} records up to update {step} {missing} are "
                "missing; metrics.csv has all scalars"
            )
        # TensorBoard reads files in the order of names: it must not change if a clock is set back.
        began = max(int(time.time()), 0 if kept is None else kept.began + 1)
        self._ahead = 0.0 if kept is None else max(kept.wall_time - time.time(), 0.0)
        name = f"{began:010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._path = path / f"events.out.tfevents.{name}"
        writer = SourceMetadata(writer="tensorboard.summary.writer.event_file_writer")
        self._add(Event(file_version=_VERSION, source_metadata=writer))
        if kept is not None:  # makes a running TensorBoard discard later steps
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
        """Count the records up to a step in all files, without those of final scores."""
        return sum(count for key, count in self._counts.items() if key <= step)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Write scalars, except Lightning's `epoch`, since epochs here are only validations."""
        for name, value in metrics.items():
            if name != "epoch":
                scalar = Summary.Value(tag=name, simple_value=float(value))
                self._add(Event(summary=Summary(value=[scalar]), step=step))

    def show(self, name: str, thing: str | Image.Image, step: int) -> None:
        """Write a text, as a fixed-width block, or a picture."""
        if isinstance(thing, str):
            text = printable(thing, lines=True)
            block = "\n".join("    " + line for line in text.splitlines())
            self._add(Event(summary=summary.text(name, block), step=step))
        else:
            self.show_picture(name, png(thing), thing.size, step)

    def show_picture(self, name: str, data: bytes, size: tuple[int, int], step: int) -> None:
        """Write a picture that is encoded as PNG, of a size (width, height)."""
        width, height = size
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=data)
        shown = Summary(value=[Summary.Value(tag=name, image=image)])
        self._add(Event(summary=shown, step=step))

    def show_histogram(self, name: str, values: Tensor, step: int) -> None:
        """Write a histogram of values."""
        histogram = summary.histogram(name, values.detach(), _bin_edges())
        self._add(Event(summary=histogram, step=step))

    def log_final(self, cfg: DictConfig, scores: Mapping[str, float], step: int) -> None:
        """Write final scores, and with the settings for TensorBoard's HParams page.

        Its first columns are model, task, seed and learning rate, and the score of what was
        monitored.
        """
        settings = flat_settings(cfg)
        own = [key for part in ("model.", "task.") for key in settings if key.startswith(part)]
        ordered = {key: settings[key] for key in (*_LEADING, *own, *settings) if key in settings}
        monitored = base_name(cfg.monitor)
        metrics = sorted(scores, key=lambda metric: base_name(metric) != monitored)
        columns = hparams.columns([ordered], metrics, _LEADING)
        for part in (columns, *hparams.session(ordered)):
            self._add(Event(summary=part))
        self.log_metrics(hparams.final_scalars(scores), step)

    def _add(self, event: Event) -> None:
        event.wall_time = time.time() + self._ahead
        self._counts[event.step] += event.HasField("summary") and not _is_final(event)
        self._waiting.append(event.SerializeToString())
        if time.monotonic() - self._written_at > _FLUSH_SECONDS:
            self.write()

    def write(self) -> None:
        """Append the buffered records to the file."""
        if self._waiting and not is_launched_rank():
            with self._path.open("ab") as file:
                file.write(framed(self._waiting))
        self._waiting.clear()
        self._written_at = time.monotonic()

    def save(self) -> None:
        """Append the buffered records to the file, and flush it to disk."""
        self.write()
        if not is_launched_rank():
            fsync(self._path)


def png(picture: Image.Image) -> bytes:
    """Encode a picture as PNG, three times as fast as Pillow, which tries five filters a row."""
    pixels = np.asarray(picture.convert("RGB"))
    rows = pixels.reshape(len(pixels), -1)
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 2  # the filter "up": each pixel minus the one above
    filtered[:1, 1:] = rows[:1]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    height, width = pixels.shape[:2]
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(filtered.tobytes(), 1),
        b"IEND": b"",
    }
    framed_chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed_chunks)


class _Kept(NamedTuple):
    """What is kept of earlier event files.

    Attributes:
        tags: tags of their records.
        counts: step -> number of records.
        began: the largest number in a file name.
        wall_time: the latest time of a record, in seconds.
    """

    tags: set[str]
    counts: Counter[int]
    began: int
    wall_time: float


def _cut_events(path: Path, step: int) -> _Kept | None:
    """Remove the records after a step, and those that are written at the end of training.

    Bytes that are not an intact record are removed as well. Returns `None` if there are no files.
    """
    files = sorted(file for file in path.glob(_EVENTS) if _is_sane(file))
    if not files:
        return None
    tags: set[str] = set()
    counts, wall_time = Counter[int](), 0.0
    for file in files:
        with open_regular_file(file, largest=_LARGEST) as content:
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
        write_atomically(file, framed(kept))
    return _Kept(tags, counts, max(map(_began, files)), wall_time)


def _is_final(event: Event) -> bool:
    """Whether a record holds final scores or settings, written at the end of training."""
    return any(value.tag.startswith(_FINAL_TAGS) for value in event.summary.value)


def _began(file: Path) -> int:
    """Return the number in a file's name, by which TensorBoard orders files."""
    number = file.name.removeprefix(_EVENTS.partition("*")[0]).partition(".")[0]
    return int(number) if number.isdecimal() and len(number) <= 10 else 0


def _is_sane(file: Path) -> bool:
    """Whether a path is a regular file of a sane size; others are left alone, with a message."""
    try:
        with open_regular_file(file, largest=_LARGEST):
            return not file.is_symlink()
    except ConfigError as error:
        note(f"{error}: left alone")
        return False


def _bin_edges() -> list[float]:
    """Return TensorBoard's edges of histogram bins, each 10 % larger than the one before."""
    edges, edge = [], 1e-12
    while edge < 1e20:
        edges.append(edge)
        edge *= 1.1
    return [*(-edge for edge in reversed(edges)), 0.0, *edges]
