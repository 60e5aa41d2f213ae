"""Lists of the options of config groups, read from the yaml files."""

from pathlib import Path

from rnnlab.config.sources import config_directories
from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import read_text
from rnnlab.spelling import first_line

_LARGEST = 1_000_000  # bytes of a config
_KIND = "kind: "


def describe(group: str) -> dict[str, str]:
    """Return the options of a config group: name -> description, its first comment line."""
    return {path.stem: _comments(path)[1] for path in _files(group)}


def describe_by_kind(group: str) -> dict[str, dict[str, str]]:
    """Return the options of a config group by kind: kind -> name -> description.

    A comment line `# kind: recognition, many to one` gives the kind; options without it come last,
    under "".
    """
    found: dict[str, dict[str, str]] = {}
    for path in _files(group):
        kind, text = _comments(path)
        found.setdefault(kind, {})[path.stem] = text
    return {kind: found[kind] for kind in sorted(found, key=lambda kind: (not kind, kind))}


def _comments(path: Path) -> tuple[str, str]:
    """Return kind and description of an option; each is empty if the file has none."""
    comments = [
        line.lstrip("# ").rstrip()
        for line in read_text(path, largest=_LARGEST).splitlines()
        if line.startswith("#") and not line.startswith("# @package")
    ]
    kinds = [text.removeprefix(_KIND) for text in comments if text.startswith(_KIND)]
    texts = [text for text in comments if not text.startswith(_KIND)]
    return next(iter(kinds), ""), next(iter(texts), "")


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
