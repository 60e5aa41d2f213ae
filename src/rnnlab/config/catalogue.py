"""Lists of the options of config groups, read from the yaml files."""

from pathlib import Path

from rnnlab.config.sources import config_directories
from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import read_text
from rnnlab.spelling import first_line

_LARGEST = 1_000_000  # bytes of a config


def describe(group: str) -> dict[str, str]:
    """Return the options of a config group: name -> description, its first comment line."""
    found = {}
    for path in _files(group):
        comments = [
            line.lstrip("# ").rstrip()
            for line in read_text(path, largest=_LARGEST).splitlines()
            if line.startswith("#") and not line.startswith("# @package")
        ]
        found[path.stem] = comments[0] if comments else ""
    return found


def _files(group: str) -> list[Path]:
    """Return the yaml files of a group, also those of the user."""
    found = [path for folder in config_directories() for path in (folder / group).glob("*.yaml")]
    return sorted(found, key=lambda path: path.stem)


def pairs() -> str:
    """Format a table of all models and tasks that marks the pairs with a tuned experiment."""
    models, tasks = list(describe("model")), list(describe("task"))
    experiments = _experiments()
    width = max(len(task) for task in tasks)
    column = max(len(model) for model in models)
    lines = [
        "Every model runs on every task: rnnlab-train model=MODEL task=TASK.",
        "x marks the pairs with an experiment tuned to learn it; rnnlab-list experiments.",
        "",
        f"{'':{width}}  " + "  ".join(f"{model:>{column}}" for model in models),
    ]
    for task in tasks:
        cells = ["x" if (model, task) in experiments else "." for model in models]
        lines.append(f"{task:{width}}  " + "  ".join(f"{cell:>{column}}" for cell in cells))
    return "\n".join(lines)


def _experiments() -> set[tuple[str, str]]:
    """Return the (model, task) of each experiment.

    Raises:
        ConfigError: a file can't be read.
    """
    import yaml

    found = set()
    for path in _files("experiment"):
        try:
            config = yaml.safe_load(read_text(path, largest=_LARGEST))
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is no YAML: {first_line(error)}") from error
        defaults = config.get("defaults", []) if isinstance(config, dict) else []
        chosen = {
            key: value
            for entry in defaults
            if isinstance(entry, dict)
            for key, value in entry.items()
        }
        found.add((str(chosen.get("override /model")), str(chosen.get("override /task"))))
    return found
