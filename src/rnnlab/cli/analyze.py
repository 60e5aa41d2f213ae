"""`rnnlab-analyze`: analyses of a trained model."""

import sys
from textwrap import wrap
from typing import Literal

from rnnlab.cli.exits import command

_USAGE = """
rnnlab-analyze: look inside a trained model, from its run directory alone.

usage: rnnlab-analyze run=DIR analysis=NAME[,NAME...] [checkpoint=best]
                      [analysis.KEY=VALUE ...] [SETTING=VALUE ...]

  run=DIR             the directory that training printed last
  analysis=NAME       {names};
                      several with commas between, or all that make sense for the model
  checkpoint=best     best | last
  analysis.KEY=VALUE  a setting of the analysis: configs/analysis/NAME.yaml has them all
  SETTING=VALUE       any setting of the run's task, as in its config.yaml

Examples
  rnnlab-analyze run=DIR analysis=states
  rnnlab-analyze run=DIR analysis=lengths task.delay=20
  rnnlab-analyze run=DIR analysis=all

Figures, and the numbers that they show, go to figures/ in the run directory; TensorBoard has them
too: tensorboard --logdir DIR.
"""


def main() -> None:
    """Run analyses, and print what they find."""
    command("rnnlab-analyze", _main)


def _main() -> None:
    from rnnlab.cli.arguments import parse_arguments
    from rnnlab.config.catalogue import describe
    from rnnlab.config.packages import allow_packages_of
    from rnnlab.config.suggestions import did_you_mean
    from rnnlab.errors import ConfigError

    allow_packages_of(sys.argv[1:])  # they may have analyses, too
    known = list(describe("analysis"))
    own, rest = parse_arguments(
        _USAGE.format(names=_wrapped(known)),
        {"run": str, "analysis": str, "checkpoint": Literal["best", "last"]},
        {"checkpoint": "best"},
        {"analysis": Literal[(*known, "all")]},
    )
    if "analysis" not in own:
        raise ConfigError(f"analysis=NAME is missing: {', '.join(known)} or all")
    everything = own["analysis"] == "all"
    names = known if everything else own["analysis"].split(",")
    for name in names:
        if name not in known:
            takes = f"; it is one of {', '.join(known)} or all"
            raise ConfigError(f"analysis={name} doesn't exist{did_you_mean(name, known)}{takes}")
    settings = [word for word in rest if word.startswith("analysis.")]
    if settings and len(names) > 1:
        raise ConfigError(f"{settings[0]!r} must be about one analysis, got {', '.join(names)}")

    from rnnlab.runs.run import Run

    run = Run.load(own["run"])

    from rnnlab.analysis.run import analyze_run  # imports torch, which a mistake needn't wait for

    overrides = [word for word in rest if word not in settings]
    analyze_run(run, names, settings, overrides, own["checkpoint"], everything=everything)


def _wrapped(names: list[str]) -> str:
    """Wrap a list of names into indented lines."""
    return ("\n" + " " * 22).join(wrap(", ".join(names), 76))
