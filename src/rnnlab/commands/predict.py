"""Predictions of a trained model about data of one's own."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from rnnlab.commands.arguments import refuse_training_settings, split_words
from rnnlab.commands.predict_files import STANDARD, Asked, Lines, Output, alone, read_input, shown
from rnnlab.commands.train import open_run
from rnnlab.config.arguments import Settings, as_overrides
from rnnlab.errors import ConfigError
from rnnlab.process.output import note
from rnnlab.process.untouched import process_untouched
from rnnlab.ranges import Count, NonNegative, PositiveInt, PositiveProbability
from rnnlab.runs.frames import as_frame
from rnnlab.runs.html import table
from rnnlab.runs.run import Run

if TYPE_CHECKING:
    from rnnlab.inference.predict import Predictor

FIELDS: Mapping[str, Any] = {
    "output": str | None,
    "format": Literal["text", "tsv", "csv"] | None,
    "encoding": str,
    "length": PositiveInt | None,
    "beam": PositiveInt | None,
    "length_norm": NonNegative,
    "temperature": NonNegative | None,
    "top_k": PositiveInt | None,
    "top_p": PositiveProbability | None,
    "seed": Count,
    "batch_size": PositiveInt,
    "checkpoint": Literal["best", "last"],
}
"""Keys of the command with their annotations, but for `input`."""

_DECODING = ("temperature", "top_k", "top_p", "beam", "seed", "length_norm")
_SHOWN = 40  # rows in a notebook


@dataclass(frozen=True)
class Predictions(Sequence[Any]):
    """What a model answers about data, as a sequence: a text or a class for each example.

    Of a forecast it is a list of numbers for each step.

    Attributes:
        kept: names of the columns of the data that stand before those that are predicted.
        predicted: names of the columns that are predicted.
        rows: their cells.
        path: the file that was written, or `None`.
    """

    kept: Sequence[str]
    predicted: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]
    path: Path | None = None

    @property
    def table(self) -> Any:
        """A row for each example: what was asked, and all that is predicted.

        A `pandas.DataFrame` where pandas is installed, else a list of mappings.
        """
        names = [*self.kept, *self.predicted]
        return as_frame([dict(zip(names, row, strict=True)) for row in self.rows])

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self._answer(row) for row in self.rows[index]]
        return self._answer(self.rows[index])

    def __len__(self) -> int:
        return len(self.rows)

    def _answer(self, row: Sequence[str | int | float]) -> Any:
        cells = row[len(self.kept) :]
        place = alone(self.predicted)
        return list(cells[1:]) if place is None else cells[place]  # a step's number comes first

    def __str__(self) -> str:
        place = alone(self.predicted)
        rows = [[shown(cell) for cell in row[len(self.kept) :]] for row in self.rows]
        if place is not None:
            return "\n".join(row[place] for row in rows)
        return "\n".join("\t".join(row) for row in [self.predicted, *rows])

    def _repr_html_(self) -> str:
        rows = [[shown(cell) for cell in row] for row in self.rows[:_SHOWN]]
        more = f"<p>and {len(self) - _SHOWN} more</p>" if len(self) > _SHOWN else ""
        return table([[*self.kept, *self.predicted], *rows]) + more


@process_untouched()
def predict(
    run: Run | str | Path,
    input: Any,
    *settings: Settings,
    output: str | Path | None = None,
    format: Literal["text", "tsv", "csv"] | None = None,
    encoding: str = "utf-8",
    length: int | None = None,
    beam: int | None = None,
    length_norm: float = 0.0,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    batch_size: int = 64,
    checkpoint: Literal["best", "last"] = "best",
    **named: Any,
) -> Predictions:
    """Ask a trained model about data of your own, as `rnnlab-predict` does.

    Args:
        run: the run, or its directory.
        input: a list of texts, each an example, or the lines of a file; or a data frame of pandas,
            which is read as the CSV file that it would be; or the path of a file, as
            `rnnlab-predict --help` says what each task reads; `-` is standard input.
        *settings: settings of the run's task to change, in any form that `train` takes.
        output: a new file for the predictions; `-` is standard output, `None` writes nothing.
        format: of the output: `text`, the predictions alone; `tsv` and `csv`, after what was asked;
            `None` is as the name of the output ends.
        encoding: of the file that is read.
        length: most steps of an answer; `None` is the task's own.
        beam: width of a search for the likeliest whole answer.
        length_norm: power of its length that the search divides an answer's log-probability by.
        temperature: 0 is the likeliest; `None` is 0.8 for `next_char` and `next_word`, else 0.
        top_k: draw among so many of the likeliest.
        top_p: draw among the likeliest that have this probability together.
        seed: of the draws.
        batch_size: examples that are computed at once.
        checkpoint: `best` or `last`.
        **named: as for `train`.

    Returns:
        The predictions, a sequence; `table` has them beside what was asked.

    Raises:
        ConfigError: a setting is wrong, the model can't read some of the input, or a file of the
            run is missing or damaged. Nothing was written.

    Example:
        >>> rnnlab.predict(run, ["the cat sleeps", "the dog sleeps"])[0]
        >>> rnnlab.predict(run, "mails.csv", output="labelled.csv").table
    """
    given = {
        "output": None if output is None else str(output),
        "format": format,
        "encoding": encoding,
        "length": length,
        "beam": beam,
        "length_norm": length_norm,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
        "batch_size": batch_size,
        "checkpoint": checkpoint,
    }
    own, overrides = split_words(as_overrides(settings, named), FIELDS, given)
    refuse_training_settings(overrides)
    run = open_run(run)
    target = Output(own["output"], own["format"])
    is_standard = isinstance(input, str) and input == STANDARD
    asked = None if is_standard else read_input(input, own["encoding"])

    from rnnlab.inference.predict import Predictor  # with torch, which a mistake needn't wait for
    from rnnlab.inference.sample import Decoding
    from rnnlab.process.arithmetic import arithmetic
    from rnnlab.tasks.own_input import OwnInput

    experiment = run.open(overrides, own["checkpoint"])
    task = experiment.task
    if not isinstance(task, OwnInput):
        raise ConfigError(
            "run must be of a task that reads data of one's own, such as translation, labels, "
            f"next_char, series or motions, got {experiment.cfg.choices.task}; rnnlab-sample shows "
            "what a model makes of its task's own data"
        )
    decoding = Decoding(**{key: own[key] for key in _DECODING})
    with arithmetic(experiment.cfg):
        predictor = Predictor(experiment.model, task, decoding, own["length"], own["batch_size"])
        typed = asked is None and task.by_line and sys.stdin is not None and sys.stdin.isatty()
        if typed:
            lines, rows = Lines([]), _typed(predictor)
        else:
            asked = asked or read_input(input, own["encoding"])
            lines = asked.lines() if task.by_line else Lines([], [])
            rows = _asked(predictor, asked, lines)
        target.begin(lines.heading, task.predicted)
        answered = []
        for row in rows:
            answered.append(row)
            target.add(row)
    return Predictions(lines.heading, task.predicted, answered, target.end())


def _asked(predictor: "Predictor", asked: Asked, lines: Lines) -> Iterator[list[Any]]:
    """Yield what was asked and its answer, in a row for each line, or of a file as a whole."""
    if not predictor.task.by_line:
        yield from predictor.file(asked.text, "input", asked.name)
        return
    numbered = [(line.number, line.cells[0]) for line in lines.lines]
    answers = predictor.lines(numbered, "input", asked.name)
    for line, answer in zip(lines.lines, answers, strict=True):
        blank = [""] * (len(lines.heading) - len(line.cells))
        yield [*line.cells, *blank, *answer]


def _typed(predictor: "Predictor") -> Iterator[list[Any]]:
    """Yield each line as soon as it is typed, and its answer; one that can't be read is noted."""
    note("a line each; Ctrl-D ends")
    for line in sys.stdin:
        text = line.rstrip("\n")
        if not text.strip():
            continue
        try:
            examples = predictor.task.read_input(text, "input", "the terminal")
            yield from ([text, *answer] for answer in predictor.rows(examples))
        except ConfigError as error:
            note(error)
