"""`rnnlab-predict`: answers of a trained model about data of one's own."""

import sys
from typing import TYPE_CHECKING, Any, Literal

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.process.output import note
from rnnlab.ranges import Count, NonNegative, PositiveInt, PositiveProbability

if TYPE_CHECKING:
    from rnnlab.inference.predict import Predictor

_USAGE = """
rnnlab-predict: ask a trained model about data of your own, from its run directory alone.

usage: rnnlab-predict run=DIR [input=FILE] [output=FILE] [format=text|tsv|csv] [encoding=utf-8]
                      [length=N] [beam=N] [length_norm=X] [temperature=X] [top_k=N] [top_p=X]
                      [seed=N] [batch_size=N] [checkpoint=best] [SETTING=VALUE ...]

  run=DIR            the directory that training printed last
  input=FILE         what is asked; -: standard input, at a terminal line by line (-)
  output=FILE        a new file for the answers; -: standard output (-)
  format=KIND        of the output: text, the answers alone; tsv and csv, after what was asked; by
                     default as the name of the output ends
  encoding=NAME      of the input: utf-8, cp1252, utf-16, ... (utf-8)
  length=N           most steps of an answer; null: the task's own
  beam=N             search with so many beams for the likeliest whole answer
  length_norm=X      of the beam search: see rnnlab-sample --help (0)
  temperature=X      0: always the likeliest; null: 0.8 for next_char and next_word, 0 for the rest
  top_k=N, top_p=X   draw among the likeliest only
  seed=N             of the draws (0)
  batch_size=N       lines or recordings that are computed at once (64)
  checkpoint=best    best | last
  SETTING=VALUE      any setting of the run's task, as in its config.yaml

What a task reads
  translation, addition, scan, phonemes, phonemes_aligned, labels:
      an example a line; of TSV and CSV the first column, and CSV has a heading. A blank line has a
      blank answer.
  next_char, next_word: a text to go on from
  series: CSV with the columns that were learnt; the rows after its end are forecast
  digits, motions, speakers, gestures: a file as for task.path; any label will do, such as ?

Examples
  rnnlab-predict run=DIR input=english.txt output=french.txt
  rnnlab-predict run=DIR input=mails.csv output=labelled.csv
  rnnlab-predict run=DIR input=sales.csv output=forecast.csv length=24
  rnnlab-predict run=DIR                          (translate line by line at a terminal)

Nothing is written if a line can't be read.
"""


def main() -> None:
    """Read examples, and write the model's answers."""
    command("rnnlab-predict", _main)


def _main() -> None:
    from rnnlab.cli.arguments import parse_arguments

    fields: dict[str, Any] = {
        "run": str,
        "input": str,
        "output": str,
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
    defaults = {"input": "-", "output": "-", "encoding": "utf-8", "length_norm": 0.0}
    defaults |= {"seed": 0, "batch_size": 64, "checkpoint": "best"}
    own, overrides = parse_arguments(
        _USAGE, fields, {**dict.fromkeys(fields.keys() - {"run"}), **defaults}
    )

    from rnnlab.runs.run import Run

    run = Run.load(own["run"])

    from rnnlab.inference.predict import Predictor
    from rnnlab.inference.sample import Decoding
    from rnnlab.process.arithmetic import arithmetic

    experiment = run.open(overrides, own["checkpoint"])
    settings = ("temperature", "top_k", "top_p", "beam", "seed", "length_norm")
    decoding = Decoding(**{key: own[key] for key in settings})
    with arithmetic(experiment.cfg):
        predictor = Predictor(
            experiment.model, experiment.task, decoding, own["length"], own["batch_size"]
        )
        _answer(predictor, own)


def _answer(predictor: "Predictor", own: dict[str, Any]) -> None:
    """Answer what the input asks."""
    from rnnlab.cli.predict_files import STANDARD, Lines, Output, kind_of, read_input, read_lines

    file, place = own["input"], own["output"]
    kind = own["format"] or kind_of(place)
    typed = file == STANDARD and predictor.by_line and sys.stdin is not None and sys.stdin.isatty()
    text = "" if typed else read_input(file, own["encoding"])
    named = "standard input" if file == STANDARD else file
    asked = read_lines(text, file) if predictor.by_line else Lines([], [])
    output = Output(place, kind, asked.heading, predictor.columns)
    if typed:
        _converse(predictor, output)
    elif predictor.by_line:
        numbered = [(line.number, line.cells[0]) for line in asked.lines]
        rows = predictor.lines(numbered, "input", named)
        for line, row in zip(asked.lines, rows, strict=True):
            output.add(line.cells, row)
    else:
        for row in predictor.file(text, "input", named):
            output.add([], row)
    output.save()


def _converse(predictor: "Predictor", output: Any) -> None:
    """Answer each line as soon as it is typed; a line that can't be read ends nothing."""
    note("a line each; Ctrl-D ends")
    for line in sys.stdin:
        text = line.rstrip("\n")
        if not text.strip():
            continue
        try:
            examples = predictor.asked.read_input(text, "input", "the terminal")
            for row in predictor.rows(examples):
                output.add([text], row)
        except ConfigError as error:
            note(error)
