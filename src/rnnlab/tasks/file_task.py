"""Tasks whose data and symbols come from files."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rnnlab.errors import ConfigError
from rnnlab.spec import Split
from rnnlab.tasks.base import Task


class StoredSymbols(NamedTuple):
    """The symbols that a run stored, and whether the files that they came from are unchanged.

    Attributes:
        symbols: what each token id means.
        problem: why the files can't be read any more or are different, or `None`.
    """

    symbols: Sequence[str]
    problem: str | None = None


class FileTask(Task):
    """A task whose data and symbols come from files, which are settings of type `DataFile`.

    Its constructor takes `(layout, seed, stored=None, *, ...)`. `stored` is passed for a trained
    model: token ids keep their meaning, and if there is a problem with the files, they are not
    read. Such a task has no data, but encodes, decodes and makes prompts.

    Attributes:
        stored_symbols: the symbols of a trained model, or `None` to choose them from the data.
    """

    stored_symbols: Sequence[str] | None = None

    def set_stored(self, stored: StoredSymbols | None) -> None:
        """Set the symbols and the problem, before any file is read."""
        if stored is not None:
            self.stored_symbols = stored.symbols
            self.problem = stored.problem


class NoData(dict[Split, Any]):
    """The splits of a task whose files can't be read: every access raises an error."""

    def __init__(self, problem: str) -> None:
        super().__init__()
        self.problem = problem

    def __missing__(self, split: Split) -> Any:
        """Raise a ConfigError that states the problem."""
        raise ConfigError(self.problem)
