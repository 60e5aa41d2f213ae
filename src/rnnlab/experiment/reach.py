"""Checks that delay taps are not longer than the sequences of a task."""

from rnnlab.cells.taps import Taps
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model
from rnnlab.models.seq2seq import Seq2Seq
from rnnlab.models.stream import Stream
from rnnlab.tasks.base import Task


def check_taps(model: Model, task: Task, length: int | None) -> None:
    """Refuse taps beyond the longest training sequence, which would read zeros only.

    In an encoder-decoder model the encoder is checked: the bridge fills the decoder's taps.

    Args:
        model: the model.
        task: the task.
        length: the longest length of a curriculum, or `None` for the task's own.

    Raises:
        ConfigError: a cell has too many taps.
    """
    path, stream = (
        ("model.encoder", model.encoder) if isinstance(model, Seq2Seq) else ("model", model)
    )
    taps = [cell.taps for cell in stream.modules() if isinstance(cell, Taps)]
    learned = isinstance(stream, Stream) and stream.initial is not None
    if not taps or learned:
        return
    longest = task.longest(length)
    if longest is not None and max(taps) > longest:
        raise ConfigError(
            f"{path}.cell.taps must be at most {longest}, the longest sequence of this task, "
            f"got {max(taps)}"
        )
