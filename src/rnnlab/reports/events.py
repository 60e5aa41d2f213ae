"""TensorBoard events of a report, written without torch, which takes a second to import."""

import contextlib
import itertools
import os
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlab.files.atomic import refuse_links
from rnnlab.runs.records import framed

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

_numbers = itertools.count()


def scalar(name: str, value: float, step: int) -> "Event":
    """Return the event of a scalar."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Event(summary=Summary(value=[Summary.Value(tag=name, simple_value=value)]), step=step)


def text(name: str, markdown: str) -> "Event":
    """Return the event of a text in Markdown."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.text.summary_v2 import text_pb

    return Event(summary=text_pb(name, markdown))


def picture(name: str, png: bytes) -> "Event":
    """Return the event of a picture that is encoded as PNG."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = struct.unpack(">II", png[16:24])
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    return Event(summary=Summary(value=[Summary.Value(tag=name, image=image)]))


def write_events(directory: Path, events: Sequence["Event"]) -> None:
    """Write events to a new event file in a directory, which is made if it is missing."""
    from tensorboard.compat.proto.event_pb2 import Event

    now = time.time()
    for event in (begin := Event(file_version="brain.Event:2"), *events):
        event.wall_time = now
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
    records = [event.SerializeToString() for event in (begin, *events)]
    with (directory / f"events.out.tfevents.{name}").open("xb") as file:
        file.write(framed(records))


def remove_events(directory: Path) -> None:
    """Remove all event files in a directory and below it, and directories that are then empty.

    Raises:
        ConfigError: there is a link.
    """
    for path, inner, names in os.walk(directory, topdown=False):
        for name in (*inner, *names):
            refuse_links(Path(path) / name, [])
        for name in names:
            if name.startswith("events.out.tfevents."):
                (Path(path) / name).unlink()
        with contextlib.suppress(OSError):  # not empty
            Path(path).rmdir()
