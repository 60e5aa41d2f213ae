"""`rnnlab-list`: the options of config groups."""

from typing import TYPE_CHECKING

from rnnlab.cli.arguments import pop_config_directory
from rnnlab.cli.completion import Completions
from rnnlab.cli.exits import command, command_arguments
from rnnlab.errors import ConfigError
from rnnlab.process.output import say

if TYPE_CHECKING:
    from omegaconf import DictConfig

_USAGE = """
rnnlab-list: models, tasks and experiments, each with its one-line description.

usage: rnnlab-list [--config-dir DIR] [packages=[NAME,...]] [GROUP ...]
       rnnlab-list size model=MODEL,... task=TASK parameters=150k [SETTING=VALUE ...]

  DIR      with configs of your own, as rnnlab-train takes it
  NAME     a package whose configs are listed too
  GROUP    models, tasks, experiments (all three if none is named), analyses, sweeps,
           reproductions, optimizers, schedulers, trainers, curricula, teacher_forcing, loggers,
           debugs; or pairs: the tuned experiments. Tasks are grouped by kind and shape, such as
           many to many: after the source, or in step with it
  size     the hidden_size with which each model has nearly so many parameters, as
           rnnlab-train parameters=150k sets it
"""

_GROUPS = {
    "models": "model",
    "tasks": "task",
    "experiments": "experiment",
    "analyses": "analysis",
    "sweeps": "sweep",
    "reproductions": "reproduce",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
    "trainers": "trainer",
    "curricula": "curriculum",
    "teacher_forcing": "model/teacher_forcing",
    "loggers": "logger",
    "debugs": "debug",
}


def main() -> None:
    """Print the options of config groups."""
    command("rnnlab-list", _main)


def _main() -> None:
    arguments = command_arguments(_USAGE, Completions(words=lambda: [*_GROUPS, "pairs", "size"]))
    own = pop_config_directory(arguments)
    named = [argument for argument in arguments if argument.startswith("packages=")]
    arguments = [argument for argument in arguments if argument not in named]

    from rnnlab.config.packages import allow_packages_of
    from rnnlab.config.sources import ConfigSource, using_source

    allow_packages_of(named)
    with using_source(ConfigSource(own)):
        if arguments[:1] == ["size"]:
            _sizes([*named, *arguments[1:]])
        else:
            _list(arguments)


def _sizes(overrides: list[str]) -> None:
    """Print the overrides that give models a number of parameters, a line for each model."""
    from rnnlab.config.compose import compose
    from rnnlab.config.size import num_parameters, read_budget, width_keys

    given = dict(override.partition("=")[::2] for override in overrides)
    if "parameters" not in given:
        raise ConfigError("parameters=NUMBER is missing, such as parameters=150k")
    budget = read_budget(given["parameters"])
    others = [override for override in overrides if not override.startswith("model=")]
    found = []
    for model in given["model"].split(",") if "model" in given else [None]:
        cfg = compose([*([] if model is None else [f"model={model}"]), *others])
        widths = [f"{key}={_selected(cfg, key)}" for key in width_keys(cfg)]
        found.append((" ".join([f"model={cfg.choices.model}", *widths]), num_parameters(cfg)))
    column = max(len(words) for words, _ in found)
    for words, parameters in found:
        say(f"{words:{column}}  # {parameters:,} parameters, {parameters / budget - 1:+.1%}")


def _selected(cfg: "DictConfig", key: str) -> object:
    from omegaconf import OmegaConf

    return OmegaConf.select(cfg, key)


def _list(arguments: list[str]) -> None:
    from rnnlab.config.catalogue import describe_by_kind, pairs

    for argument in arguments:
        if argument not in _GROUPS and argument != "pairs":
            takes = ", ".join([*_GROUPS, "pairs"])
            raise ConfigError(f"{argument!r} is nothing to list: it takes {takes}")
    for argument in arguments or ["models", "tasks", "experiments"]:
        if argument == "pairs":
            say(pairs())
            continue
        kinds = describe_by_kind(_GROUPS[argument])
        width = max((len(name) for entries in kinds.values() for name in entries), default=0)
        say(f"{argument}  ({_GROUPS[argument]}=NAME)")
        for kind, entries in kinds.items():
            if len(kinds) > 1:
                say(f" {kind or 'others'}:")
            say("\n".join(f"  {name:{width}}  {text}" for name, text in entries.items()))
        say()
