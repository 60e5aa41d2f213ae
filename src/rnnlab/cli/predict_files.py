"""The files of `rnnlab-predict`: texts, TSV and CSV; standard input and output."""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from rnnlab.errors import ConfigError
from rnnlab.files.atomic import write_atomically
from rnnlab.files.untrusted import read_bytes
from rnnlab.process.output import say
from rnnlab.tasks.own_input import Cell

Kind = Literal["text", "tsv", "csv"]
STANDARD = "-"
"""Standard input or output in place of a file."""

_LARGEST = 2**28  # bytes of an input
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
    """The lines of a file.

    Attributes:
        lines: of the examples.
        heading: the names of the columns.
    """

    lines: Sequence[Line]
    heading: Sequence[str] = ("input",)


def kind_of(file: str) -> Kind:
    """Return what a file is by the end of its name."""
    suffix = Path(file).suffix.lower()
    return "tsv" if suffix == ".tsv" else "csv" if suffix == ".csv" else "text"


def read_input(file: str, encoding: str) -> str:
    r"""Read a file or standard input; a byte order mark is dropped, every line ends in `\n`.

    Raises:
        ConfigError: it is missing, not a regular file, too large, or in another encoding.
    """
    data = (
        sys.stdin.buffer.read()
        if file == STANDARD
        else read_bytes(Path(file).expanduser(), largest=_LARGEST)
    )
    try:
        text = data.decode(encoding)
    except LookupError as error:
        raise ConfigError(
            f"encoding must be one that Python knows, such as cp1252, got {encoding!r}"
        ) from error
    except UnicodeDecodeError as error:
        number = 1 + len(data[: error.start].splitlines()) - (data[: error.start][-1:] not in b"\n")
        raise ConfigError(
            f"input={file}: line {number} is not {encoding}: byte {data[error.start]:#04x}; "
            "encoding=cp1252 or the like says what it is"
        ) from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def read_lines(text: str, file: str) -> Lines:
    """Read the examples of a text, a line each; of TSV and CSV the first column is the example.

    CSV has a heading.

    Raises:
        ConfigError: it is not CSV.
    """
    kind = kind_of(file)
    rows = text.removesuffix("\n").split("\n") if text else []
    if kind == "text":
        return Lines([Line(number, [row]) for number, row in enumerate(rows, start=1)])
    if kind == "tsv":
        lines = [Line(number, row.split("\t")) for number, row in enumerate(rows, start=1)]
        width = max((len(line.cells) for line in lines), default=1)
        return Lines(lines, ["input", *(f"column_{n}" for n in range(2, width + 1))])
    reader = csv.reader(io.StringIO(text), strict=True)
    lines = []
    try:
        for cells in reader:
            lines.append(Line(reader.line_num, cells or [""]))
    except csv.Error as error:
        raise ConfigError(f"input={file}: line {reader.line_num} is not CSV: {error}") from error
    return Lines(lines[1:], lines[0].cells if lines else ["input"])


class Output:
    """Where rows are written: to standard output as they come, or to a new file at the end.

    Args:
        file: its path, or `-`.
        kind: `text` has the predictions alone, `tsv` and `csv` what was asked before them; `csv`
            has a heading.
        kept: names of the columns of the input.
        predicted: names of the columns that are predicted.

    Raises:
        ConfigError: the file exists, or its directory doesn't.
    """

    def __init__(
        self, file: str, kind: Kind, kept: Sequence[str], predicted: Sequence[str]
    ) -> None:
        self._path = None if file == STANDARD else Path(file).expanduser()
        if self._path is not None and (self._path.is_symlink() or self._path.exists()):
            raise ConfigError(f"output must be a new file, got {file}, which is there")
        if self._path is not None and not self._path.parent.is_dir():
            raise ConfigError(f"output must be in a directory that is there, got {file}")
        self._kind, self._width = kind, len(kept)
        self._alone = predicted.index("prediction") if "prediction" in predicted else None
        self._written = io.StringIO()
        self._heading: str | None = None
        if kind == "csv":
            self._heading = self._row([*kept, *predicted])
        elif kind == "text" and self._alone is None:
            self._heading = "\t".join(predicted)

    def add(self, kept: Sequence[str], predicted: Sequence[Cell]) -> None:
        """Write a row."""
        cells = [f"{cell:.7g}" if isinstance(cell, float) else str(cell) for cell in predicted]
        if self._kind != "text":
            padded = [*kept, *[""] * (self._width - len(kept))]
            self._write(self._row([*padded, *cells]))
        else:
            self._write("\t".join(cells) if self._alone is None else cells[self._alone])

    def save(self) -> None:
        """Write the file, if it is one.

        Raises:
            ConfigError: it can't be written.
        """
        if self._path is None:
            return
        try:
            write_atomically(self._path, self._written.getvalue().encode())
        except OSError as error:
            raise ConfigError(f"output={self._path} can't be written: {error.strerror}") from error

    def _row(self, cells: Iterable[str]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=_SEPARATORS[self._kind], lineterminator="").writerow(cells)
        return text.getvalue()

    def _write(self, line: str) -> None:
        """Write a line, before the first one the heading."""
        lines = [line] if self._heading is None else [self._heading, line]
        self._heading = None
        for each in lines:
            if self._path is None:
                say(each)
            else:
                self._written.write(f"{each}\n")
