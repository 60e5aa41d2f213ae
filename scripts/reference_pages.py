"""Pages of the site that are made from what they describe, so that they can't disagree with it.

Models, tasks and analyses are made from their yaml and docstrings, the Python reference from
`rnnlab.__all__`, and a page for each notebook. `docs/conf.py` writes them into docs/_made before
each build.
"""

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

import rnnlab
from rnnlab.config.catalogue import describe, describe_by_kind

ROOT = Path(__file__).resolve().parents[1]
CONFIGS, NOTEBOOKS = ROOT / "configs", ROOT / "docs" / "notebooks"
TO_BUILD_WITH = {  # beside the commands: what one's own parts are made of
    "What a task says and gives": (
        *("rnnlab.spec.TaskSpec", "rnnlab.spec.Tokens", "rnnlab.spec.Reals", "rnnlab.spec.Batch"),
        "rnnlab.tasks.base.Task",
    ),
    "Cells and models": ("rnnlab.cells.base.Cell", "rnnlab.models.base.Model"),
    "Analyses": ("rnnlab.analysis.base.Analysis", "rnnlab.analysis.base.Findings"),
    "Contracts": (
        *("rnnlab.testing.check_cell", "rnnlab.testing.check_model", "rnnlab.testing.check_task"),
    ),
    "Errors": ("rnnlab.errors.ConfigError",),
}


def made_pages() -> Iterator[tuple[str, str]]:
    """Yield name and Markdown of each page."""
    yield "models", models_page()
    yield "tasks", tasks_page()
    yield "analyses", analyses_page()
    yield "python", python_page()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        yield f"notebook_{path.stem}", notebook_page(path)


def models_page() -> str:
    """Describe every model: its cell, and its settings as they begin."""
    parts = [
        "# Models",
        "`rnnlab-train model=NAME task=TASK` trains any of these on any task. A setting is given "
        "by its path, as in `model.cell.hidden_size=64`; `rnnlab-list models` prints this list.",
        *(option("model", name, text) for name, text in describe("model").items()),
    ]
    return "\n\n".join(parts) + "\n"


def tasks_page() -> str:
    """Describe every task, by kind and shape."""
    tuned = experiments_by_task()
    parts = [
        "# Tasks",
        "`rnnlab-train model=MODEL task=NAME` trains any model on any of these. A setting is given "
        "by its path, as in `task.length=20`; `rnnlab-list tasks` prints this list.",
    ]
    for kind, options in describe_by_kind("task").items():
        parts.append(f"## {kind[:1].upper()}{kind[1:]}")
        for name, text in options.items():
            parts.append(option("task", name, text, level=3))
            if name in tuned:
                parts.append("Tuned: " + ", ".join(f"`experiment={each}`" for each in tuned[name]))
    return "\n\n".join(parts) + "\n"


def analyses_page() -> str:
    """Describe every analysis, and link to its page where it has one."""
    parts = [
        "# Analyses",
        "`rnnlab-analyze run=DIR analysis=NAME` looks inside a run, from its directory alone. A "
        "setting is given by its path, as in `analysis.num_sequences=64`.",
    ]
    for name, text in describe("analysis").items():
        parts.append(option("analysis", name, text))
        if (ROOT / "docs" / "analyses" / f"{name}.md").is_file():
            parts.append(f"[What it shows, with a picture](../analyses/{name}.md)")
    parts.append("```{toctree}\n:hidden:\n:glob:\n\n../analyses/*\n```")
    return "\n\n".join(parts) + "\n"


def option(group: str, name: str, text: str, *, level: int = 2) -> str:
    """Format an option of a config group: its class's docstring and its settings."""
    content = (CONFIGS / group / f"{name}.yaml").read_text(encoding="utf-8")
    about, arguments = split_docstring(inspect.getdoc(class_of(yaml.safe_load(content))) or "")
    settings = [line for line in content.splitlines() if not line.startswith(("# ", "_target_"))]
    listed = "\n".join(f"- `{argument}`: {what}" for argument, what in arguments.items())
    parts = [
        f"{'#' * level} {name}",
        text,
        about,
        "```yaml\n" + "\n".join([f"# {group}={name}", *settings]).strip() + "\n```",
        listed,
    ]
    return "\n\n".join(filter(None, parts))


def class_of(config: dict[str, Any]) -> type:
    """Return the class that says most of an option: its cell's, or its own."""
    target = config.get("cell", config)["_target_"]
    module, _, name = target.rpartition(".")
    found: type = getattr(importlib.import_module(module), name)
    return found


def split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into its prose, which is Markdown as it stands, and its arguments."""
    prose, _, rest = text.partition("\nArgs:\n")
    section = re.split(r"\n(?=\S)", rest)[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    prose = re.split(r"\n(?:Attributes|Raises|Returns):\n", prose)[0]
    return prose.strip(), {name: re.sub(r"\s+", " ", what) for name, what in found}


def experiments_by_task() -> dict[str, list[str]]:
    """Return the tuned experiments of each task."""
    found: dict[str, list[str]] = {}
    for name in describe("experiment"):
        path = CONFIGS / "experiment" / f"{name}.yaml"
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["defaults"]:
            if isinstance(entry, dict) and "override /task" in entry:
                found.setdefault(entry["override /task"], []).append(name)
    return found


def python_page() -> str:
    """Document what a program calls, by autodoc."""
    parts = ["# Python", "What the commands do, from a program or a notebook."]
    functions = [name for name in rnnlab.__all__ if inspect.isfunction(getattr(rnnlab, name))]
    returned = [name for name in rnnlab.__all__ if name not in functions]
    named = {"What the commands do": functions, "What they return": returned}
    whole = {title: [f"rnnlab.{name}" for name in names] for title, names in named.items()}
    for title, names in (whole | TO_BUILD_WITH).items():
        parts += [f"## {title}", *map(documented, names)]
    return "\n\n".join(parts) + "\n"


def documented(name: str) -> str:
    """Format a directive of autodoc for a function or a class."""
    module, _, attribute = name.rpartition(".")
    is_class = inspect.isclass(getattr(importlib.import_module(module), attribute))
    kind = ".. autoclass:: {}\n   :members:" if is_class else ".. autofunction:: {}"
    return "```{eval-rst}\n" + kind.format(name) + "\n```"


def notebook_page(path: Path) -> str:
    """Format the cells of a notebook, without outputs, and link to the file."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    parts.insert(1, f"{{download}}`The notebook <../notebooks/{path.name}>`")
    return "\n\n".join(parts) + "\n"
