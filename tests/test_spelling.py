"""Whatever a text holds, it can be shown: no command lets a control character through."""

import ast
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import rnnlab
from rnnlab.cli import analyze, diff, evaluate, report, sample, train
from rnnlab.spelling import brief, printable
from tests.calls import call
from tests.small_runs import TEXT, tiny

SOURCE = Path(rnnlab.__file__).parents[1]
HOSTILE = "\x1b[31m\x07\x9b\u202e\u2066\u2028\r\nevil|`<script>$\\foo$![x](http://x)"
"""Escapes, a bell, C1, bidirectional marks, line breaks; a cell's end, code, HTML, TeX, a link."""


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("a b", "a b"),
        ("\x1b[31m\x07", r"\x1b[31m\x07"),
        ("\x9b", r"\x9b"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("\u00a0\u3000\u202f", "\u00a0\u3000\u202f"),
        ("नि\u200dल मी\u200cन 👩\u200d👧 ❤\ufe0f", "नि\u200dल मी\u200cन 👩\u200d👧 ❤\ufe0f"),
    ],
)
def test_what_is_not_printable_is_spelt(text, spelt):
    assert printable(text) == spelt


def test_lines_and_tabs_stay_where_they_may():
    assert printable("a\n\tb\r\x1b", lines=True) == "a\n\tb\\r\\x1b"


def test_the_middle_of_what_is_too_long_is_left_out():
    assert brief("x" * 9, 9) == "x" * 9
    assert brief("a" * 500 + "b" * 500, 100) == "a" * 70 + " ... " + "b" * 25


def test_all_that_is_printed_goes_through_one_module():
    """A text from a file that is printed by another way would not be spelt."""
    others = []
    for path in SOURCE.glob("*/**/*.py"):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                others += [str(path)] if node.func.id == "print" else []
    assert others == []


def hostile(value: Any) -> Any:
    """Put hostile texts in the place of all texts of a tree, and into its keys."""
    if isinstance(value, dict):
        return {key: hostile(inner) for key, inner in value.items()} | {HOSTILE: HOSTILE}
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs"))).path


@pytest.fixture
def spoilt(trained: Path, tmp_path: Path) -> Path:
    """A directory of two runs whose every text is hostile, and of failures that are so too."""
    for number, name in enumerate(["one", "two"]):
        run = shutil.copytree(trained, tmp_path / "runs" / name)
        card, results = (
            json.loads((run / file).read_text()) for file in ("run.json", "results.json")
        )
        card = hostile(card) | {"seconds": 1, "status": ("finished", HOSTILE)[number]}
        card["overrides"] = {"model": f"{HOSTILE}{number}", HOSTILE: f"{HOSTILE}{number}"}
        metrics = {"train": {HOSTILE: 1.0}, "breakdown": {HOSTILE: {HOSTILE: 0.5}}}
        (run / "run.json").write_text(json.dumps(card))
        for split in ("val", "test", "floor"):
            metrics[split] = results[split] | {HOSTILE: number}
        (run / "results.json").write_text(json.dumps(results | metrics))
        config = OmegaConf.load(run / "config.yaml")
        config.choices.model = config.output_dir = config[HOSTILE] = f"{HOSTILE}{number}"
        (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
        curve = (run / "metrics.csv").read_text().replace("val/loss", "val/\x1b\u202e")
        (run / "metrics.csv").write_text(curve)
        (run / "samples.md").write_text(HOSTILE)
    failure = {"overrides": {HOSTILE: HOSTILE}, "status": HOSTILE, "error": HOSTILE}
    (tmp_path / "runs/failures").mkdir()
    (tmp_path / f"runs/failures/{'0' * 12}.json").write_text(json.dumps(failure))
    (tmp_path / f"runs/failures/{HOSTILE.replace('/', '')}.json").write_text("{")
    return tmp_path / "runs"


def unprintable(text: str) -> set[str]:
    return {c for c in text if not c.isprintable() and c not in "\n\t"}


def test_no_text_of_a_run_reaches_a_terminal_or_a_page_as_it_is(spoilt: Path) -> None:
    one, two = (str(spoilt / name) for name in ("one", "two"))
    told = {
        "diff": call(diff.main, "rnnlab-diff", one, two),
        "report": call(report.main, "rnnlab-report", str(spoilt)),
        "evaluate": call(evaluate.main, "rnnlab-evaluate", f"run={one}"),
        "sample": call(sample.main, "rnnlab-sample", f"run={one}"),
        "analyze": call(analyze.main, "rnnlab-analyze", f"run={one}", "analysis=all"),
        "resume": call(train.main, "rnnlab-train", f"resume={one}"),
    }
    for name, (status, out, err) in told.items():
        assert status in (0, 1, 2), (name, err)
        assert unprintable(out + err) == set(), name
        assert "Traceback" not in err, name
        assert not any(line.startswith("evil") for line in (out + err).splitlines()), name
    assert told["diff"][0] == 1
    assert told["report"][0] == 0, told["report"][2]
    assert "\\x1b" in told["diff"][1]
    for path in spoilt.glob("report/*.*"):
        if path.suffix in (".md", ".csv"):
            text = path.read_text(encoding="utf-8")
            assert unprintable(text) == set(), path
            assert path.suffix == ".csv" or not re.search(r"<script|[^\\]\]\(http", text), path


@pytest.mark.parametrize(
    "words",
    [
        (diff.main, "rnnlab-diff", HOSTILE, "x"),
        (diff.main, "rnnlab-diff", "x", "x", f"only={HOSTILE}"),
        (report.main, "rnnlab-report", HOSTILE),
        (report.main, "rnnlab-report", "x", f"{HOSTILE}=1"),
        (report.main, "rnnlab-report", "x", f"target={HOSTILE}"),
        (sample.main, "rnnlab-sample", f"run={HOSTILE}"),
        (sample.main, "rnnlab-sample", "run=x", f"checkpoint={HOSTILE}"),
        (analyze.main, "rnnlab-analyze", "run=x", f"analysis={HOSTILE}"),
        (evaluate.main, "rnnlab-evaluate", HOSTILE),
        (train.main, "rnnlab-train", f"resume={HOSTILE}"),
        (train.main, "rnnlab-train", f"model={HOSTILE}"),
        (train.main, "rnnlab-train", HOSTILE),
        (train.main, "rnnlab-train", f"+{HOSTILE}=1"),
        (train.main, "rnnlab-train", f"monitor='{HOSTILE}'"),
        (train.main, "rnnlab-train", f"sweep={HOSTILE}"),
        (train.main, "rnnlab-train", "task=next_char", f"task.path='{HOSTILE}'"),
        (train.main, "rnnlab-train", f"init_from='{HOSTILE}'"),
    ],
)
def test_no_word_of_a_command_line_reaches_a_terminal_as_it_is(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main, name, *argv = words
    status, out, err = call(main, name, *argv)
    assert (status, out) == (2, "")
    assert unprintable(err) == set()
    assert all(line.startswith(f"{name}: ") for line in err.splitlines())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
@pytest.mark.parametrize("letters", [300, 100_000])
@pytest.mark.parametrize(
    "words",
    [
        (report.main, "rnnlab-report", "o", "x={}"),
        (report.main, "rnnlab-report", "{}"),
        (diff.main, "rnnlab-diff", "o", "only={}"),
        (diff.main, "rnnlab-diff", "o", "{}"),
        (sample.main, "rnnlab-sample", "run={}"),
        (analyze.main, "rnnlab-analyze", "run=x", "analysis={}"),
        (train.main, "rnnlab-train", "optimizer={}"),
        (train.main, "rnnlab-train", "sweep={}"),
        (train.main, "rnnlab-train", "output_dir={}"),
        (train.main, "rnnlab-train", "-m", "sweep_name={}", "seed=0,1"),
        (train.main, "rnnlab-train", "task=next_char", "task.path={}"),
        (train.main, "rnnlab-train", "init_from={}"),
        (train.main, "rnnlab-train", "resume={}"),
        (train.main, "rnnlab-train", "{}"),
    ],
)
def test_a_name_that_is_too_long_is_refused_in_a_line(words, letters, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main, name, *argv = words
    status, out, err = call(main, name, *(word.format("x" * letters) for word in argv))
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert all(line.startswith(f"{name}: ") for line in err.splitlines())
    assert max(map(len, err.splitlines())) < 1100
    assert list(tmp_path.iterdir()) == []


def test_what_a_model_says_is_spelt(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT.replace(" ", "\x1b").replace("n", "\u202e"))
    words = [w for w in tiny(tmp_path / "out") if not w.startswith("task")]
    argv = ["task=next_char", f"task.path={tmp_path / 'text.txt'}", "task.length=5", *words]
    status, out, err = call(train.main, "rnnlab-train", *argv)
    assert status == 0, err
    run = Path(out.splitlines()[-1])
    said = call(sample.main, "rnnlab-sample", f"run={run}", "temperature=1", "length=200")
    assert said[0] == 0
    assert "\\x1b" in said[1]
    samples = (run / "samples.md").read_text(encoding="utf-8")
    assert unprintable(out + err + said[1] + samples) == set()
