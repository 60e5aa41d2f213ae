"""What `predict` reads and writes: texts, TSV and CSV; lists, data frames, standard streams."""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rnnlab.commands.arguments import new_path, user_path
from rnnlab.errors import ConfigError
from rnnlab.files.atomic import write_atomically
from rnnlab.files.untrusted import read_bytes
from rnnlab.process.output import say
from rnnlab.spelling import brief

if TYPE_CHECKING:
    from rnnlab.tasks.own_input import Cell

Kind = Literal["text", "tsv", "csv"]
STANDARD = "-"
"""Standard input or output in place of a file."""

_LARGEST = 2**28  # bytes of an input
_LONGEST_NAME = 100  # characters of a file's name in errors
_SEPARATORS = {"tsv": "\t", "csv": ","}


class Line(NamedTuple):
    """An example in a line of a file.

    Attributes:
        number: of the line, from 1.
        cells: the text, and other columns.
    """

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Lines:
    """Examples, a line each.

    Attributes:
        lines: of the examples.
        heading: the names of the columns.
    """

    lines: Sequence[Line]
    heading: Sequence[str] = ("input",)


@dataclass(frozen=True)
class Asked:
    """What a model is asked.

    Attributes:
        rows: its lines; of a list its texts, which may have several lines each.
        kind: what they are.
        name: of the file, or what else it is, for errors.
    """

    rows: Sequence[str]
    kind: Kind
    name: str

    @property
    def text(self) -> str:
        """All of it, as the content of a file."""
        return "\n".join(self.rows)

    def lines(self) -> Lines:
        """Return the examples, a line each; of TSV and CSV the first column is the example.

        CSV has a heading.

        Raises:
            ConfigError: it is not CSV.
        """
        if self.kind == "csv":
            return self._csv()
        if self.kind == "text":
            return Lines([Line(number, [row]) for number, row in enumerate(self.rows, start=1)])
        lines = [Line(number, row.split("\t")) for number, row in enumerate(self.rows, start=1)]
        width = max((len(line.cells) for line in lines), default=1)
        return Lines(lines, ["input", *(f"column_{n}" for n in range(2, width + 1))])

    def _csv(self) -> Lines:
        reader = csv.reader(io.StringIO(self.text), strict=True)
        lines: list[Line] = []
        try:
            for cells in reader:
                lines.append(Line(reader.line_num, cells or [""]))
        except csv.Error as error:
            line = f"line {reader.line_num} of {self.name}"
            raise ConfigError(f"input: {line} is not CSV: {error}") from error
        heading = lines[0].cells if lines else ["input"]
        for number, cells in lines[1:]:
            if len(cells) > len(heading):
                raise ConfigError(
                    f"input: line {number} of {self.name} must have {len(heading)} cells, as its "
                    f"heading has, got {len(cells)}"
                )
        return Lines(lines[1:], heading)


def kind_of(file: str) -> Kind:
    """Return what a file is by the end of its name."""
    suffix = Path(file).suffix.lower()
    return "tsv" if suffix == ".tsv" else "csv" if suffix == ".csv" else "text"


def read_input(given: Any, encoding: str) -> Asked:
    """Read what a model is asked.

    Args:
        given: a file, `-` for standard input, texts, or a data frame.
        encoding: of a file.

    Raises:
        ConfigError: it is none of these; or a file is missing, not a regular one, too large, or in
            another encoding.
    """
    if isinstance(given, str | Path):
        return _read_file(str(given), encoding)
    if hasattr(given, "to_csv"):  # of pandas
        return Asked(_rows(given.to_csv(index=False)), "csv", "the data frame")
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise ConfigError(f"input must be a file, texts or a data frame, got {given!r}")
    texts = list(given)
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise ConfigError(f"input: number {number} of the list must be a text, got {text!r}")
    return Asked(texts, "text", "the list")


def _read_file(file: str, encoding: str) -> Asked:
    name = "standard input" if file == STANDARD else brief(file, _LONGEST_NAME)
    if file == STANDARD and sys.stdin is None:
        raise ConfigError("input: standard input is closed")
    try:
        data = (
            sys.stdin.buffer.read()
            if file == STANDARD
            else read_bytes(user_path(file), largest=_LARGEST)
        )
    except ConfigError as error:
        raise ConfigError(f"input: {error}") from error
    if not data:
        raise ConfigError(f"input: {name} is empty")
    try:
        text = data.decode(encoding)
    except LookupError as error:
        raise ConfigError(
            f"encoding must be one that Python knows, such as cp1252, got {encoding!r}"
        ) from error
    except UnicodeDecodeError as error:
        number = 1 + len(data[: error.start].splitlines()) - (data[: error.start][-1:] not in b"\n")
        raise ConfigError(
            f"input: line {number} of {name} is not {encoding}: byte {data[error.start]:#04x}; "
            "encoding=cp1252 or the like says what it is"
        ) from error
    return Asked(_rows(text.removeprefix("\ufeff")), kind_of(file), name)


def _rows(text: str) -> list[str]:
    r"""Split a text into its lines, which end in `\n`, `\r\n` or `\r`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n") if text else []


class Output:
    """Where predictions are written: to standard output as they come, or to a new file at the end.

    Args:
        file: its path, `-`, or `None` to write nothing.
        kind: `text` has the predictions alone, `tsv` and `csv` what was asked before them; `csv`
            has a heading. `None` is as the name of the file ends.

    Raises:
        ConfigError: the file exists, or its directory doesn't.
    """

    def __init__(self, file: str | None, kind: Kind | None) -> None:
        self._path = None if file in (None, STANDARD) else new_path(str(file), "output")
        self._kind = kind or kind_of(file or "")
        self._says = file == STANDARD
        self._waiting: list[str] = []
        self._written: list[str] = []

    def begin(self, kept: Sequence[str], predicted: Sequence[str]) -> None:
        """Take the names of the columns that are kept, and of those that are predicted."""
        self._kept, self._alone = len(kept), alone(predicted)
        if self._kind == "csv":
            self._waiting = [self._row([*kept, *predicted])]
        elif self._kind == "text" and self._alone is None:
            self._waiting = ["\t".join(predicted)]

    def add(self, row: "Sequence[Cell]") -> None:
        """Write a row of what was asked and what is predicted."""
        cells = [shown(cell) for cell in row]
        if self._kind != "text":
            self._write(self._row(cells))
        elif self._alone is None:
            self._write("\t".join(cells[self._kept :]))
        else:
            self._write(cells[self._kept + self._alone])

    def end(self) -> Path | None:
        """Write the file, if it is one, and return it.

        Raises:
            ConfigError: it can't be written.
        """
        self._write()
        if self._path is None:
            return None
        try:
            write_atomically(self._path, "".join(self._written).encode())
        except OSError as error:
            raise ConfigError(f"output={self._path} can't be written: {error.strerror}") from error
        return self._path

    def _row(self, cells: Iterable[str]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=_SEPARATORS[self._kind], lineterminator="").writerow(cells)
        return text.getvalue()

    def _write(self, *lines: str) -> None:
        """Write lines after the heading, which waits until there is something right to say."""
        for line in (*self._waiting, *lines):
            if self._says:
                say(line)
            else:
                self._written.append(f"{line}\n")
        self._waiting = []


def alone(predicted: Sequence[str]) -> int | None:
    """Return the place of the column that says all, or `None`."""
    return predicted.index("prediction") if "prediction" in predicted else None


def shown(cell: "Cell") -> str:
    """Format a cell."""
    return f"{cell:.7g}" if isinstance(cell, float) else str(cell)
