"""`rnnlab-evaluate`: score a trained model on held-out data, also at other lengths than trained."""

from rnnlab.cli.exits import command
from rnnlab.process.output import say

_USAGE = """
rnnlab-evaluate: score a trained model, from its run directory alone.

usage: rnnlab-evaluate run=DIR [split=test] [checkpoint=best] [SETTING=VALUE ...]

  run=DIR            the directory that training printed last
  split=test         test | val
  checkpoint=best    best | last
  SETTING=VALUE      any setting of the run's task, data or threads, as in its config.yaml

Examples
  rnnlab-evaluate run=outputs/copy/lstm/2026-01-01_12-00-00-abc123
  rnnlab-evaluate run=DIR task.length=100 task.min_length=100 data.test_size=200
  rnnlab-evaluate run=DIR split=val checkpoint=last

Prints a table, and adds what it found to evaluations.jsonl in the run directory.
"""


def main() -> None:
    """Score the model, and print its metrics."""
    command("rnnlab-evaluate", _main)


def _main() -> None:
    from rnnlab.cli.arguments import parse_arguments
    from rnnlab.commands.evaluate import FIELDS, evaluate

    own, overrides = parse_arguments(_USAGE, {"run": str, **FIELDS})
    say(evaluate(own.pop("run"), overrides, **own))
