"""`rnnlab-predict`: answers of a trained model about data of one's own."""

from rnnlab.cli.exits import command

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
    from rnnlab.commands.predict import FIELDS, predict

    fields = {"run": str, "input": str, **FIELDS}
    own, overrides = parse_arguments(_USAGE, fields, {"input": "-", "output": "-"})
    predict(own.pop("run"), own.pop("input"), overrides, **own)
