"""How far back delay taps reach, against how far back there is something to read."""

from rnnlab.cells.taps import Taps
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model
from rnnlab.models.seq2seq import Seq2Seq
from rnnlab.models.stream import Stream
from rnnlab.tasks.base import Task


def check_taps(model: Model, task: Task, length: int | None) -> None:
    """Refuse taps beyond the longest training sequence, which would read nothing but zeros.

    Of an encoder-decoder model the encoder is meant: the bridge fills the decoder's taps.

    Args:
        model: any.
        task: that it is to be trained on.
        length: the longest of a curriculum; `None` is the task's own.

    Raises:
        ConfigError: there are such taps.
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
