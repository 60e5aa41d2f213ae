"""`rnnlab-evaluate`: score a trained model on held-out data, also at other lengths than trained."""

from typing import Any, Literal

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.process.output import note, say

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

    fields: dict[str, Any] = {
        "run": str,
        "split": Literal["val", "test"],
        "checkpoint": Literal["best", "last"],
    }
    own, overrides = parse_arguments(_USAGE, fields, {"split": "test", "checkpoint": "best"})

    from rnnlab.runs.run import Run

    run = Run.load(own["run"])
    run.file("evaluations.jsonl")  # raises if it is a link out of the directory

    from rnnlab.inference.evaluate import evaluate
    from rnnlab.process.arithmetic import arithmetic
    from rnnlab.runs.scores import score_lines

    experiment = run.open(overrides, own["checkpoint"])
    with arithmetic(experiment.cfg):
        evaluator = evaluate(experiment.model, experiment.task, experiment.batches(own["split"]))
    result = {
        "split": own["split"],
        "checkpoint": own["checkpoint"],
        "overrides": overrides,
        "metrics": evaluator.compute(),
        "floor": dict(experiment.task.floor),
        "breakdown": evaluator.breakdown(),
    }
    columns = {own["split"]: result["metrics"], "floor": result["floor"]}
    say("\n".join(score_lines(columns)))
    for name, groups in result["breakdown"].items():
        if not groups:
            continue
        say(f"\n{name}")
        width = max(len(group) for group in groups)
        say("\n".join(f"  {group:>{width}}  {value:.4g}" for group, value in groups.items()))
    try:
        run.append_line("evaluations.jsonl", result)
    except ConfigError as error:  # not fatal, since the metrics have been printed
        note(f"rnnlab-evaluate: warning: {error}")
