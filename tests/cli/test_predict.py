"""`rnnlab-predict`: its files, standard input and a terminal; and mistakes in them."""

import io
from pathlib import Path

import pytest

import rnnlab
from rnnlab.cli.predict import main
from tests.small_runs import ELMAN, SMALL, tiny, tiny_text


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("runs")
    small = [*ELMAN, *SMALL, f"output_dir={out}"]
    return {
        "addition": rnnlab.train(["task=addition", *small]).path,
        "labels": rnnlab.train(["task=labels", *small]).path,
        "text": rnnlab.train(tiny_text(out)).path,
        "copy": rnnlab.train(tiny(out)).path,
    }


@pytest.fixture
def call(run_main, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sums.txt").write_text("12+34\n\n5+6\n")
    Path("sums.csv").write_text('sum,note\n12+34,"a, b"\n5+6,c\n')
    Path("sums.tsv").write_text("12+34\t46\n5+6\n")
    Path("phrases.txt").write_text("the cat\n\n")
    Path("bad.txt").write_text("12+34\n12-34\n")
    Path("latin.txt").write_bytes(b"12+34\n\xe9\n")
    Path("wide.csv").write_text("sum,note\n1+2\n1+2,a,b\n")
    Path("broken.csv").write_text('sum\n"12+34\n')

    def call(kind: str, *words: str) -> tuple[int, str, str]:
        return run_main(main, "rnnlab-predict", f"run={runs[kind]}", *words)

    return call


def given(monkeypatch, text: str, *, typed: bool = False) -> None:
    stream = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    stream.isatty = lambda: typed
    monkeypatch.setattr("sys.stdin", stream)


def test_a_text_is_answered_line_by_line(call):
    status, out, err = call("addition", "input=sums.txt", "output=answers.txt")
    assert (status, out, err) == (0, "", "")
    first, blank, last, end = Path("answers.txt").read_text().split("\n")
    assert (blank, end) == ("", "")
    assert call("addition", "input=sums.txt")[1] == f"{first}\n\n{last}\n"


def test_tables_keep_what_was_asked_beside_the_answers(call):
    one, _, two = call("addition", "input=sums.txt")[1].splitlines()
    assert call("addition", "input=sums.csv", "output=out.csv")[0] == 0
    table = Path("out.csv").read_text()
    assert table == f'sum,note,prediction\n12+34,"a, b",{one}\n5+6,c,{two}\n'
    _, out, _ = call("addition", "input=sums.tsv", "format=tsv")
    assert out == f"12+34\t46\t{one}\n5+6\t\t{two}\n"
    _, out, _ = call("labels", "input=phrases.txt", "format=csv")
    heading, row, blank = out.splitlines()
    assert heading == "input,prediction,probability"
    assert row.split(",")[1] in ("English", "French")
    assert 0.5 <= float(row.split(",")[2]) <= 1
    assert blank == ",,"


def test_standard_input_is_read_whole(call, monkeypatch):
    given(monkeypatch, "\ufeff12+34\r\n5+6")
    status, out, _ = call("addition")
    assert status == 0
    assert len(out.splitlines()) == 2


def test_a_terminal_is_answered_at_once_and_goes_on_after_a_mistake(call, monkeypatch):
    given(monkeypatch, "12+34\n12-34\n\n5+6\n", typed=True)
    status, out, err = call("addition")
    assert status == 0
    assert len(out.splitlines()) == 2
    hint, said = err.splitlines()
    assert hint == "a line each; Ctrl-D ends"
    assert said.startswith("the source may hold the task's 11 symbols, got '-'")


def test_a_text_is_continued_whole(call):
    Path("begin.txt").write_text("line 7\nline")
    words = ["input=begin.txt", "length=5", "temperature=0"]
    status, out, _ = call("text", *words)
    assert status == 0
    assert len(out) == 5 + 1
    assert call("text", *words, "seed=3")[1] == out


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("addition", ["input=bad.txt"], "input: line 2 of bad.txt: the source may hold"),
        ("addition", ["input=latin.txt"], "input: line 2 of latin.txt is not utf-8: byte 0xe9"),
        ("addition", ["input=latin.txt", "encoding=rot13"], "encoding must be one that Python"),
        ("addition", ["input=broken.csv"], "input: line 2 of broken.csv is not CSV"),
        (
            "addition",
            ["input=wide.csv"],
            "line 3 of wide.csv must have 2 cells, as its heading has",
        ),
        ("addition", ["input=nowhere"], "nowhere is missing"),
        ("addition", ["input=sums.txt", "output=sums.csv"], "output must be a new file"),
        ("addition", ["input=sums.txt", "output=no/x"], "output must be in a directory"),
        ("addition", ["input=sums.txt", "format=xml"], "format must be"),
        ("addition", ["optimizer.lr=1"], "optimizer.lr is a setting of training"),
        ("addition", ["inptu=sums.txt"], "inptu is not a setting: did you mean input?"),
        ("copy", ["input=sums.txt"], "series or motions, got copy; rnnlab-sample shows"),
    ],
)
def test_mistakes_are_status_2_and_write_nothing(call, kind, words, said):
    before = sorted(Path().iterdir())
    status, out, err = call(kind, *words)
    assert (status, out) == (2, "")
    assert said in err
    assert sorted(Path().iterdir()) == before
