"""What the configs offer, read from the yaml files."""

from rnnlab.sources import config_directory


def describe(group: str) -> dict[str, str]:
    """Give each option of a config group with its description: its first comment line."""
    found = {}
    for path in sorted((config_directory() / group).glob("*.yaml")):
        comments = [
            line.lstrip("# ").rstrip()
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.startswith("#") and not line.startswith("# @package")
        ]
        found[path.stem] = comments[0] if comments else ""
    return found


def pairs() -> str:
    """Lay out every model and task, and the tuned experiments of each pair."""
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
    """Give the (model, task) of each experiment."""
    import yaml

    found = set()
    for path in (config_directory() / "experiment").glob("*.yaml"):
        defaults = yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", [])
        chosen = {
            key: value
            for entry in defaults
            if isinstance(entry, dict)
            for key, value in entry.items()
        }
        found.add((str(chosen.get("override /model")), str(chosen.get("override /task"))))
    return found
