"""`rnnlab-report`: tables, charts and TensorBoard events of a sweep, aggregated over seeds."""

import math
import os
from pathlib import Path
from shlex import join, quote

from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command, command_arguments
from rnnlab.config.suggestions import did_you_mean, explain_argument
from rnnlab.errors import ConfigError
from rnnlab.process.output import say

_USAGE = """
rnnlab-report: aggregate the runs of a sweep over their seeds.

usage: rnnlab-report DIR [metric=NAME] [target=NUMBER] [over=KEY,...] [x=KEY]

  DIR              a sweep, or any directory with runs below it, such as outputs/copy
  metric=NAME      what is compared, such as test/accuracy, val/loss, seconds; by default the test
                   score of what chose the best weights, free running where that is scored
  target=NUMBER    count the runs that reach it
  over=seed        the settings to aggregate over
  x=KEY            the numeric setting to draw the metric against; by default the one with most
                   values

Examples
  rnnlab-report outputs/sweeps/memory
  rnnlab-report outputs/sweeps/memory metric=test/accuracy target=0.99 x=task.delay

Prints a table and writes into DIR/report: report.md, table.csv (a row a group), runs.csv (a row a
run), pictures, and for TensorBoard the aggregate curves and the swept settings with their scores.
Exit status: 0 written, 2 a mistake.
"""
_KEYS = ("metric", "target", "over", "x")


def main() -> None:
    """Aggregate the runs, write a report, and print its table."""
    command("rnnlab-report", _main)


def _main() -> None:
    arguments = command_arguments(_USAGE, Completions(dict.fromkeys(_KEYS), directories=True))
    directory, given, target = _parse(arguments)

    from rnnlab.report.aggregate import aggregate_runs
    from rnnlab.report.charts import can_draw
    from rnnlab.report.table import read_table
    from rnnlab.report.write import terminal, write

    aggregate = aggregate_runs(
        read_table(directory),
        metric=given.get("metric"),
        target=target,
        over=given.get("over", "seed").split(","),
        x=given.get("x"),
    )
    output = directory / "report"
    write(aggregate, output, join(["rnnlab-report", *arguments]))
    say(terminal(aggregate))
    say()
    if not can_draw():
        say("no pictures       they need matplotlib: pip install 'rnnlab[report]'")
    say(f"written to        {output}")
    say(f"open TensorBoard  tensorboard --logdir {quote(str(output))}")


def _parse(arguments: list[str]) -> tuple[Path, dict[str, str], float | None]:
    """Parse the arguments.

    Returns:
        The directory, the values of the keys, and the target as a number.

    Raises:
        ConfigError: a line for each problem.
    """
    given, paths, problems = {}, [], []
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
    target = None
    if "target" in given:
        try:
            target = float(given["target"])
        except ValueError:
            target = math.nan
        if not math.isfinite(target):
            problems.append(f"target must be a number, got {given['target']!r}")
    if problems:
        raise ConfigError("\n".join(problems))
    return Path(paths[0]), given, target
