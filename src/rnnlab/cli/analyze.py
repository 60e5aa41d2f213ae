"""`rnnlab-analyze`: analyses of a trained model."""

import sys
from textwrap import wrap
from typing import Literal

from rnnlab.cli.exits import command
from rnnlab.process.output import say

_USAGE = """
rnnlab-analyze: look inside a trained model, from its run directory alone.

usage: rnnlab-analyze run=DIR analysis=NAME[,NAME...] [checkpoint=best] [seconds=60] [format=png]
                      [analysis.KEY=VALUE ...] [SETTING=VALUE ...]

  run=DIR             the directory that training printed last
  analysis=NAME       {names};
                      several with commas between, or all that make sense for the model
  checkpoint=best     best | last
  seconds=60          most that each analysis may take before it ends its search, and says what it
                      left out; null: no limit
  format=png          png | svg | pdf, or several with commas between
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
    from rnnlab.commands.analyze import FIELDS, analyze
    from rnnlab.config.catalogue import describe
    from rnnlab.config.packages import allow_packages_of
    from rnnlab.errors import ConfigError

    allow_packages_of(sys.argv[1:])  # they may have analyses, too
    known = list(describe("analysis"))
    usage = _USAGE.format(names=_wrapped(known))
    offered = {"analysis": Literal[(*known, "all")]}
    own, settings = parse_arguments(usage, {"run": str, **FIELDS}, choices=offered)
    if "analysis" not in own:
        raise ConfigError(f"analysis=NAME is missing: {', '.join(known)} or all")
    analyze(own.pop("run"), own.pop("analysis"), settings, show=say, **own)


def _wrapped(names: list[str]) -> str:
    """Wrap a list of names into indented lines."""
    return ("\n" + " " * 22).join(wrap(", ".join(names), 76))
