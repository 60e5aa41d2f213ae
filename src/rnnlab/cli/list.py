"""`rnnlab-list`: what there is to choose from."""

import sys

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.output import say

_USAGE = """
rnnlab-list: models, tasks and experiments, each with its one-line description.

usage: rnnlab-list [GROUP ...]

  GROUP    models, tasks, experiments (all three if none is named), analyses, sweeps,
           optimizers, schedulers, trainers, curricula, teacher_forcing, loggers, debugs; or
           pairs: the tuned experiments
"""

_GROUPS = {
    "models": "model",
    "tasks": "task",
    "experiments": "experiment",
    "analyses": "analysis",
    "sweeps": "sweep",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
    "trainers": "trainer",
    "curricula": "curriculum",
    "teacher_forcing": "model/teacher_forcing",
    "loggers": "logger",
    "debugs": "debug",
}


def main() -> None:
    """Read the words, print."""
    command("rnnlab-list", _main)


def _main() -> None:
    words = sys.argv[1:]
    if {"--help", "-h"} & set(words):
        say(_USAGE.strip())
        return
    from rnnlab.catalogue import describe, pairs

    for word in words:
        if word not in _GROUPS and word != "pairs":
            takes = ", ".join([*_GROUPS, "pairs"])
            raise ConfigError(f"{word!r} is nothing to list: it takes {takes}")
    for word in words or ["models", "tasks", "experiments"]:
        if word == "pairs":
            say(pairs())
            continue
        entries = describe(_GROUPS[word])
        width = max((len(name) for name in entries), default=0)
        say(f"{word}  ({_GROUPS[word]}=NAME)")
        say("\n".join(f"  {name:{width}}  {text}" for name, text in entries.items()))
        say()
