"""`rnnlab-list`: the options of config groups."""

import subprocess
import sys

import pytest

from rnnlab.cli.list import _GROUPS, main
from rnnlab.config.catalogue import describe
from rnnlab.config.sources import config_directory


@pytest.fixture
def call(run_main):
    def call(*words: str) -> tuple[int, str, str]:
        return run_main(main, "rnnlab-list", *words)

    return call


def test_models_tasks_and_experiments_are_listed_with_what_they_are(call):
    status, out, _ = call()
    assert status == 0
    for group in ("model", "task", "experiment"):
        assert f"{group}s  ({group}=NAME)" in out.splitlines()
        for name, text in describe(group).items():
            assert any(line.split(maxsplit=1) == [name, text] for line in out.splitlines())


@pytest.mark.parametrize("word", _GROUPS)
def test_each_group_is_listed_alone(call, word):
    status, out, _ = call(word)
    assert status == 0
    names = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert sorted(names) == list(describe(_GROUPS[word]))


def test_tasks_are_grouped_by_kind_and_shape(call):
    heading, entries = None, {}
    for line in call("tasks")[1].splitlines()[1:-1]:
        if not line.startswith("  "):
            heading = line
        else:
            entries.setdefault(heading, []).append(line.split()[0])
    assert "series" in entries[" prediction, many to many, in step:"]
    assert entries[" captions, one to many:"] == ["caption"]
    assert list(entries) == sorted(entries)


def test_every_group_of_configs_is_listed():
    root = config_directory()
    groups = {str(path.parent.relative_to(root)) for path in root.rglob("*/*.yaml")}
    assert groups - {"hydra/help"} == set(_GROUPS.values())


def test_pairs_are_a_table(call):
    status, out, _ = call("pairs")
    assert status == 0
    assert out.count("\n") >= len(describe("task"))


def test_what_is_no_group_is_refused(call):
    status, out, err = call("modles")
    assert (status, out) == (2, "")
    assert err.startswith("rnnlab-list: 'modles' is nothing to list: it takes models, tasks,")


def test_help_says_how(call):
    assert call("--help")[1].startswith("rnnlab-list: ")


def test_listing_needs_no_torch():
    code = (
        "import sys; from rnnlab.cli.list import main; sys.argv = ['rnnlab-list', 'models'];"
        "main(); assert not {'torch', 'lightning'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_sizes_are_printed_as_overrides(call):
    status, out, _ = call("size", "model=elman,transformer", "task=copy", "parameters=20k")
    assert status == 0
    elman, transformer = out.splitlines()
    assert elman.split("  #")[0].rstrip() == "model=elman model.cell.hidden_size=132"
    assert elman.endswith("# 20,073 parameters, +0.4%")
    assert transformer.startswith("model=transformer model.hidden_size=")


def test_a_size_needs_a_budget(call):
    status, out, err = call("size", "model=gru", "task=copy")
    assert (status, out) == (2, "")
    assert "parameters=NUMBER is missing" in err
