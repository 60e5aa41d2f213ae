"""TensorBoard events of a report, written without torch, which takes a second to import."""

import itertools
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlab.runs.records import framed

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

_numbers = itertools.count()


def scalar(name: str, value: float, step: int) -> "Event":
    """Return the event of a scalar."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Event(summary=Summary(value=[Summary.Value(tag=name, simple_value=value)]), step=step)


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
