"""The packages stand in layers: each imports what is below it, at the top of a file or in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import rnnlab

SOURCE = Path(rnnlab.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
SHARED = {"errors", "metric", "random_streams", "ranges", "spec", "spelling", "stackable", "state"}
LAYERS = [
    *("files", "process", "plots", "config"),  # of every program
    *("kernels", "cells", "models", "tasks", "experiment", "inference"),  # what is studied
    *("runs", "exports", "analysis", "training", "ensemble"),  # what is done with it
    *("sweeps", "reports", "reproductions"),  # and with many
    *("testing", "commands", "cli"),
]


def layer(module: str) -> int:
    """How high a module stands: what everything shares is at the bottom."""
    part = module.split(".")[1]
    return -1 if part in SHARED else LAYERS.index(part)


def imported(file: Path) -> Iterator[str]:
    """Every module of ours that a file imports, for types and inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("rnnlab."))
        elif isinstance(node, ast.ImportFrom) and node.module == "rnnlab":
            yield from (f"rnnlab.{a.name}" for a in node.names if a.name != "__version__")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rnnlab."):
            yield str(node.module)


def test_the_root_holds_only_what_everything_shares():
    parts = (path for path in SOURCE.iterdir() if path.suffix in ("", ".py"))
    found = {path.stem for path in parts if not path.name.startswith("_")}
    assert found - {"configs"} == SHARED | set(LAYERS)


def test_no_package_imports_from_above():
    up = []
    for file in SOURCE.rglob("*.py"):
        module = ".".join(["rnnlab", *file.relative_to(SOURCE).with_suffix("").parts])
        if module == "rnnlab.__init__":
            continue  # the front door
        up += [(module, other) for other in imported(file) if layer(other) > layer(module)]
    assert up == []


def test_the_page_of_the_architecture_names_each_layer():
    _, layers, _ = re.split(
        r"^## (?:Layers|Three rules)$", PAGE.read_text("utf-8"), flags=re.MULTILINE
    )
    rows = re.findall(r"^\| ((?:`\w+` ?)+)", layers, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"\w+", row)]
    assert set(named) - SHARED == set(LAYERS)


def test_the_files_that_the_page_of_the_architecture_names_are_there():
    _, questions = PAGE.read_text(encoding="utf-8").split("## Where to look for what")
    named = 0
    for row in re.findall(r"^\|.*\|(.*)\|$", questions.replace("tasks/X.py", ""), re.MULTILINE):
        folder = SOURCE  # of the last file with one: those after it may go without
        for name in re.findall(r"`([\w/]+(?:\.(?:py|cpp|h)|/))`", row):
            places = [top / name for top in (SOURCE, SOURCE.parents[1], folder)]
            found = next((place for place in places if place.exists()), None)
            assert found is not None, name
            folder = found if found.is_dir() else found.parent
            named += 1
    assert named > 80
