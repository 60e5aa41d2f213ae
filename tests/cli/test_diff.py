"""`rnnlab-diff`: the status says whether two runs differ, the lines say in what."""

import subprocess
import sys

import pytest

import rnnlab
from rnnlab.cli.diff import main
from rnnlab.runs.diff import PARTS
from rnnlab.runs.run import Run
from tests.small_runs import tiny


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Give two runs that differ in their seeds."""
    out = tmp_path_factory.mktemp("runs")
    return [rnnlab.train(tiny(out, f"seed={seed}")) for seed in (0, 1)]


@pytest.fixture
def call(run_main, runs):
    """Run the command here; a digit stands for a run."""

    def call(*words: str) -> tuple[int, str, str]:
        words = tuple(str(runs[int(word)].path) if word.isdigit() else word for word in words)
        return run_main(main, "rnnlab-diff", *words)

    return call


def headings(out: str) -> list[str]:
    blocks = out.split("\n\n")
    return [block.split(maxsplit=1)[0] for block in blocks[1:] if not block.startswith("the same")]


def test_a_run_is_the_same_as_itself(call):
    status, out, err = call("0", "0")
    assert (status, err) == (0, "")
    assert "the same bit for bit: settings, " in out


def test_runs_that_differ_are_status_1_with_a_section_for_each_part_that_does(call, runs):
    status, out, err = call("0", "1")
    assert (status, err) == (1, "")
    assert {"settings", "results", "curve", "weights"} <= set(headings(out))
    assert out.startswith(f"first   {runs[0].path}")
    assert f"\nsecond  {runs[1].path}" in out
    assert out.count("finished, ") == 2
    assert ["seed", "0", "1"] in [line.split() for line in out.splitlines()]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_compared_alone(call, part):
    status, out, _ = call("0", "1", f"only={part}")
    differs = part in ("settings", "results", "curve", "weights")
    assert status == int(differs)
    assert headings(out) == [part] or (not differs and part in out)


def test_parts_come_in_one_order_whatever_the_words(call):
    assert headings(call("only=weights,settings", "0", "1")[1]) == ["settings", "weights"]


def test_help_says_how_and_names_every_part(call):
    status, out, _ = call("0", "--help")
    assert status == 0
    assert out.startswith("rnnlab-diff: ")
    assert ", ".join(PARTS) in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "it takes two directories of runs, got 0"),
        (["0"], "it takes two directories of runs, got 1"),
        (["0", "1", "0"], "it takes two directories of runs, got 3"),
        (["0", "nowhere"], "run must be the directory of a run, with a config.yaml in it, got now"),
        (["0", "1", "only=setings"], "only=setings is no part of a run: did you mean settings?"),
        (["0", "1", "only="], "only= is no part of a run: it takes settings, versions, "),
        (["0", "1", "olny=curve"], "olny is not a setting: did you mean only?"),
    ],
)
def test_a_mistake_is_status_2_in_one_line(call, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(*words)
    assert (status, out) == (2, "")
    assert err.startswith(f"rnnlab-diff: {said}")
    assert len(err.splitlines()) == 1


def test_all_mistakes_are_reported_at_once(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(call("nowhere", "neither", "only=nothing")[2].splitlines()) == 3


def test_a_directory_may_have_any_name(call, runs, tmp_path):
    link = tmp_path / "a=b"
    link.symlink_to(runs[0].path)
    assert call("0", str(link))[0] == 0


def test_comparing_settings_needs_no_torch(runs):
    code = (
        "import sys; from rnnlab.cli.diff import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'lightning'} & set(sys.modules)"
    )
    paths = [str(run.path) for run in runs]
    only = "only=settings,versions,fingerprint,results"
    done = subprocess.run(
        [sys.executable, "-c", code, *paths, only], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "")
