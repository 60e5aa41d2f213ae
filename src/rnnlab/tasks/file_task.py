"""Tasks whose data and symbols come from files."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rnnlab.errors import ConfigError
from rnnlab.spec import Split
from rnnlab.tasks.base import Task


class Known(NamedTuple):
    """What a run keeps of a task's files, and what became of them.

    Attributes:
        symbols: what each id stands for, as the task's `meanings` gave it.
        problem: why the files can't be read any more or hold something else, or `None`.
    """

    symbols: Sequence[str]
    problem: str | None = None


class FileTask(Task):
    """A task whose data and symbols come from files, that its settings name as `DataFile`.

    Its constructor takes `(layout, seed, known=None, *, ...)`. `known` is given for a task that a
    model has learnt: ids mean what they meant then, and where there is a problem with the files
    they aren't read. Such a task encodes, decodes and lays out prompts, and has no data.

    Attributes:
        known_symbols: what ids mean, as `meanings` gave it; `None` where the data choose.
    """

    known_symbols: Sequence[str] | None = None

    def know(self, known: Known | None) -> None:
        """Keep what is known, before anything is read."""
        if known is not None:
            self.known_symbols = known.symbols
            self.problem = known.problem


class NoData(dict[Split, Any]):
    """Splits of a task whose files aren't read: whoever asks for one is told why.

    Args:
        problem: the reason.
    """

    def __init__(self, problem: str) -> None:
        super().__init__()
        self.problem = problem

    def __missing__(self, split: Split) -> Any:
        """Refuse to give a split.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(self.problem)
