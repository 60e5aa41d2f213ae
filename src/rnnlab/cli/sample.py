"""`rnnlab-sample`: let a run's model speak."""

from typing import Any, Literal

from rnnlab.checks import Count, NonNegative, PositiveInt
from rnnlab.cli.exits import command
from rnnlab.output import say

_USAGE = """
rnnlab-sample: let a trained model write, answer or oscillate, from its run directory alone.

usage: rnnlab-sample run=DIR [prompt=TEXT] [length=N] [temperature=X] [top_k=N] [num_samples=N]
                     [beam=N] [seed=N] [checkpoint=best] [SETTING=VALUE ...]

  run=DIR            the directory that training printed last
  prompt=TEXT        what to go on from: a beginning for next_char, a source for addition and
                     translation; null: the task's own (of most tasks, test sequences)
  length=N           steps to answer; null: the task's own
  temperature=X      0: always the likeliest; null: 0.8 for next_char, 0 for the rest
  top_k=N            draw among so many of the likeliest only; null: all
  num_samples=N      how many (1)
  beam=N             search with so many beams for the likeliest whole answer (temperature 0 only)
  seed=N             of the draws (0)
  checkpoint=best    best | last
  SETTING=VALUE      any setting of the run's task, as in its config.yaml

Examples
  rnnlab-sample run=DIR prompt="ROMEO:" length=400 temperature=0.8 num_samples=3
  rnnlab-sample run=DIR prompt="12+34" beam=4
  rnnlab-sample run=DIR prompt="the small cat sleeps"
  rnnlab-sample run=DIR num_samples=4          (an oscillation: a picture and a CSV of a free run)

Texts are printed; pictures and numbers go to figures/ in the run directory.
"""


def main() -> None:
    """Read the words, generate, print."""
    command("rnnlab-sample", _main)


def _main() -> None:
    from rnnlab.cli.words import parse

    fields: dict[str, Any] = {
        "run": str,
        "prompt": str | None,
        "length": PositiveInt | None,
        "temperature": NonNegative | None,
        "top_k": PositiveInt | None,
        "num_samples": PositiveInt,
        "beam": PositiveInt | None,
        "seed": Count,
        "checkpoint": Literal["best", "last"],
    }
    own, overrides = parse(
        _USAGE,
        fields,
        {
            "prompt": None,
            "length": None,
            "temperature": None,
            "top_k": None,
            "num_samples": 1,
            "beam": None,
            "seed": 0,
            "checkpoint": "best",
        },
    )

    from rnnlab.run import Run

    run = Run.load(own["run"])

    from rnnlab.borrowed import threads  # loads torch, which a wrong run needn't wait for
    from rnnlab.sampling import Manner, speak

    experiment = run.open(overrides, own["checkpoint"])
    manner = Manner(own["temperature"], own["top_k"], own["beam"], own["seed"])
    model, task = experiment.model, experiment.task
    with threads(experiment.cfg.threads):
        spoken = speak(model, task, own["prompt"], own["num_samples"], own["length"], manner)
    if isinstance(spoken.shown, str):
        say(spoken.shown)
    for path in spoken.save(run.figure):
        say(path)
