"""`rnnlab-list`: what there is to choose from."""

import sys
from pathlib import Path

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.process.output import say

_USAGE = """
rnnlab-list: models, tasks and experiments, each with its one-line description.

usage: rnnlab-list [--config-dir DIR] [GROUP ...]

  DIR      with configs of your own, as rnnlab-train takes it
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
    own = _own_directory(words)
    named = [word for word in words if word.startswith("packages=")]
    words = [word for word in words if word not in named]

    from rnnlab.config.packages import allow_packages_of
    from rnnlab.config.sources import ConfigSource, using_source

    allow_packages_of(named)
    with using_source(ConfigSource(own)):
        _list(words)


def _own_directory(words: list[str]) -> Path | None:
    """Take the directory of the user's own configs out of the words, if they name one."""
    found = None
    for place, word in reversed([*enumerate(words)]):
        option, equals, value = word.partition("=")
        if option not in ("--config-dir", "-cd"):
            continue
        value = value if equals else "".join(words[place + 1 : place + 2])
        if not value:
            raise ConfigError(f"{option} takes a directory")
        del words[place : place + 2 - len(equals)]
        found = found or Path(value)  # the last one counts, as with rnnlab-train
    return found


def _list(words: list[str]) -> None:
    from rnnlab.config.catalogue import describe, pairs

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
