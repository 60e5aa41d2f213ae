"""Commands where standard output has no more than ASCII: what they say is still to be read."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

import rnnlab
from rnnlab.process.output import _IN_ASCII
from tests.calls import PATIENCE
from tests.reports.fabricate import fabricate
from tests.small_runs import ELMAN, SMALL, tiny, tiny_text

ROOT = Path(__file__).parents[2]
NOT_PRINTED = {"figures", "words.py"}
"""What is drawn, and the signs at which texts are cut into words."""

CALLS = """
import sys
from rnnlab.cli import analyze, evaluate, list, report, runs, sample, train
assert sys.stdout.encoding == "ascii", sys.stdout.encoding
for line in {lines!r}:
    name, *sys.argv[1:] = line
    globals()[name].main()
"""


def marks(file: Path) -> Iterator[str]:
    """Give the characters beyond ASCII, letters left out, of a module's texts but docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield from (c for c in node.value if not c.isascii() and not c.isalpha())


def test_every_mark_that_is_printed_has_a_spelling_in_ascii() -> None:
    lacking = {
        (file.name, mark)
        for file in Path(rnnlab.__file__).parent.rglob("*.py")
        if not {file.name, file.parent.name} & NOT_PRINTED and file.name != "output.py"
        for mark in marks(file)
        if mark.isprintable() and mark not in _IN_ASCII
    }
    assert lacking == set()


@pytest.mark.thorough
def test_commands_speak_ascii_in_a_locale_that_has_no_more(tmp_path: Path) -> None:
    for seed in range(3):
        for model, delay in product(("gru", "lstm"), (5, 9)):
            words = {"model": model, "task": "copy", "task.delay": delay, "seed": seed}
            fabricate(tmp_path / "sweep", words, {"loss": 1 / (seed + 1)})
    out = tmp_path / "out"
    text = rnnlab.train(tiny_text(out, "task.length=30")).path
    marked = rnnlab.train([*ELMAN, "task=addition_marked", *SMALL, f"output_dir={out}"]).path
    lines = [
        ["report", f"{tmp_path}/sweep", "rows=model", "columns=task.delay"],
        ["runs", str(tmp_path)],
        ["train", f"resume={text}"],
        ["evaluate", f"run={text}"],
        ["sample", f"run={marked}"],
        ["list"],
        ["train", *tiny(out)],
    ]
    left_out = {"PYTHONIOENCODING", "LANG", "LC_CTYPE", "PYTHONCOERCECLOCALE"}
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [sys.executable, "-c", CALLS.format(lines=lines)],
        env=variables | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    said = (done.stdout + done.stderr).decode("ascii")
    assert done.returncode == 0, said
    assert "+-" in said
    assert "\\x" not in said
    assert "\\u" not in said
