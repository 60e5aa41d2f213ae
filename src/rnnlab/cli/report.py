"""`rnnlab-report`: tables, charts and TensorBoard events of a sweep, aggregated over seeds."""

import os
from pathlib import Path
from shlex import join, quote
from typing import Any

from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command, command_arguments
from rnnlab.config.suggestions import did_you_mean, explain_argument
from rnnlab.errors import ConfigError
from rnnlab.process.output import say

_USAGE = """
rnnlab-report: aggregate the runs of a sweep over their seeds.

usage: rnnlab-report DIR [metric=NAME,...] [rows=KEY,...] [columns=KEY,...] [compare=KEY] ...

  DIR                a sweep, or any directory with runs below it, such as outputs/copy

What is compared
  metric=NAME,...    one score or several, such as accuracy, val/loss, seconds; a name without split
                     is the test score, free running where that is scored. By default the metric
                     that chose the best weights. The first one leads
  target=NUMBER      count the runs that reach it
  over=seed          the settings to aggregate over
  compare=KEY        compare the values of this setting by runs that agree in all others, as in
                     compare=model; by default each group with the best of its neighbours

Tables and pictures
  rows=KEY,...       a table of two directions: the values of these settings go down, as in
  columns=KEY,...    rows=model columns=task; if one is not given, it has the other settings
  interval=bootstrap 95 % intervals of means: bootstrap (percentile) or t (Student's)
  x=KEY              the numeric setting to draw the metric against; by default the one with most
                     values
  format=png,...     pictures as png, pdf or svg
  width=INCHES       pictures as wide as a column, with type of 8 points and captions in report.md;
                     by default they are as large as slides

Examples
  rnnlab-report outputs/sweeps/memory
  rnnlab-report outputs/sweeps/memory metric=accuracy,loss target=0.99 x=task.delay
  rnnlab-report outputs rows=model columns=task compare=model format=pdf,png width=3.3

Prints a table and writes into DIR/report: report.md, table.csv (a row a group), runs.csv (a row a
run), table.tex and pivot.tex for LaTeX, pictures, and for TensorBoard the aggregate curves and the
swept settings with their scores.
Exit status: 0 written, 2 a mistake.
"""
_KEYS = (
    *("metric", "target", "over", "compare"),
    *("rows", "columns", "interval", "x", "format", "width"),
)


def main() -> None:
    """Aggregate the runs, write a report, and print its table."""
    command("rnnlab-report", _main)


def _main() -> None:
    arguments = command_arguments(_USAGE, Completions(dict.fromkeys(_KEYS), directories=True))
    directory, given = _parse(arguments)

    from rnnlab.commands.report import report
    from rnnlab.plots.files import can_draw

    made = report(directory, command=join(["rnnlab-report", *arguments]), **given)
    say(made)
    say()
    if not can_draw():
        say("no pictures       they need matplotlib: pip install 'rnnlab[report]'")
    say(f"written to        {made.path}")
    say(f"open TensorBoard  tensorboard --logdir {quote(str(made.path))}")


def _parse(arguments: list[str]) -> tuple[Path, dict[str, Any]]:
    """Parse the arguments.

    Returns:
        The directory, and the values of the keys.

    Raises:
        ConfigError: a line for each problem.
    """
    from rnnlab.commands.report import problems as problems_of

    given: dict[str, Any] = {}
    paths, problems = [], []
    for argument, after in zip(arguments, [*arguments, ""][1:], strict=True):
        key, equals, value = argument.partition("=")
        if argument.startswith("-"):
            raise ConfigError(explain_argument(argument, after, _KEYS))
        if not equals or os.path.exists(argument):
            paths.append(argument)
        elif key in _KEYS:
            given[key] = value
        else:
            problems.append(f"{key} is not a setting{did_you_mean(key, _KEYS)}")
    if len(paths) != 1:
        problems.append(f"it takes one directory with runs in it, got {len(paths)}")
    problems += problems_of(given)
    if problems:
        raise ConfigError("\n".join(problems))
    return Path(paths[0]), given
