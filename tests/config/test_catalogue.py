"""What `rnnlab-list` reads from the yaml files."""

from pathlib import Path

import pytest

from rnnlab.config import catalogue
from rnnlab.config.build import check
from rnnlab.config.catalogue import describe, describe_by_kind, pairs
from rnnlab.config.compose import compose

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"


@pytest.fixture
def own_configs(tmp_path, monkeypatch):
    for group in ("model", "task", "experiment"):
        (tmp_path / group).mkdir()
    (tmp_path / "model/b.yaml").write_text("# Second.\n_target_: x\n")
    (tmp_path / "model/a.yaml").write_text("_target_: x\n# First.\n")
    (tmp_path / "task/t.yaml").write_text("_target_: x\n")
    (tmp_path / "experiment/t_a.yaml").write_text(
        "# @package _global_\n# Learns.\ndefaults:\n  - override /task: t\n  - override /model: a\n"
    )
    monkeypatch.setattr(catalogue, "config_directories", lambda: [tmp_path])


@pytest.mark.usefixtures("own_configs")
def test_a_description_is_the_first_comment_and_packages_are_none():
    assert describe("model") == {"a": "First.", "b": "Second."}
    assert describe("task") == {"t": ""}
    assert describe("experiment") == {"t_a": "Learns."}
    assert describe("nothing") == {}


@pytest.mark.usefixtures("own_configs")
def test_options_are_ordered_by_kind_and_those_of_none_are_last(tmp_path):
    (tmp_path / "task/a.yaml").write_text("# kind: recall, one to one\n# First.\n_target_: x")
    (tmp_path / "task/z.yaml").write_text("# Last.\n# kind: memory, one to one\n_target_: x\n")
    assert list(describe_by_kind("task").items()) == [
        ("memory, one to one", {"z": "Last."}),
        ("recall, one to one", {"a": "First."}),
        ("", {"t": ""}),
    ]
    assert describe("task") == {"a": "First.", "t": "", "z": "Last."}


KINDS = {
    *("captions", "learning a program", "memory", "oscillation", "prediction"),
    *("prediction and generation", "recognition", "transformation"),
}
SHAPES = {
    *("one to one", "one to many", "many to one"),
    *("many to many, after", "many to many, in step"),
}


def test_every_task_of_ours_is_of_a_kind_and_every_kind_and_shape_has_tasks():
    found = [kind.split(", ", 1) for kind in describe_by_kind("task")]
    assert {kind for kind, _ in found} == KINDS
    assert {shape for _, shape in found} == SHAPES


def test_the_page_of_tasks_has_every_task_as_rnnlab_list_shows_it() -> None:
    rows = []
    for kind, entries in describe_by_kind("task").items():
        rows += [f"|  | `{name}` | {text} |\n" for name, text in entries.items()]
        rows[-len(entries)] = rows[-len(entries)].replace("|  |", f"| {kind} |", 1)
    assert "".join(rows) in PAGE.read_text(encoding="utf-8")


@pytest.mark.usefixtures("own_configs")
def test_pairs_mark_what_an_experiment_is_tuned_for():
    assert pairs().splitlines()[-2:] == ["   a  b", "t  x  ."]


def test_every_experiment_can_be_run_and_stands_in_the_table_of_pairs():
    lines = pairs().splitlines()
    heading = next(n for n, line in enumerate(lines) if not line) + 1
    models = lines[heading].split()
    assert models == list(describe("model"))
    marked = {
        (model, line.split()[0])
        for line in lines[heading + 1 :]
        for model, mark in zip(models, line.split()[1:], strict=True)
        if mark == "x"
    }
    chosen = set()
    for name in describe("experiment"):
        cfg = compose([f"experiment={name}"])
        check(cfg)
        chosen.add((cfg.choices["model"], cfg.choices["task"]))
    assert marked == chosen
