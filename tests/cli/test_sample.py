"""`rnnlab-sample`: prompts, temperatures and beams; and mistakes in them."""

import io
from pathlib import Path

import pytest

import rnnlab
from rnnlab.cli.sample import main
from tests.small_runs import SMALL, tiny, tiny_text


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each kind: a writer, one that answers, one that oscillates."""
    out = tmp_path_factory.mktemp("runs")
    small = ["model.cell.hidden_size=8", "model=elman", *SMALL, f"output_dir={out}"]
    return {
        "text": rnnlab.train(tiny_text(out)).path,
        "copy": rnnlab.train(tiny(out)).path,
        "addition": rnnlab.train(["task=addition", *small]).path,
        "wave": rnnlab.train(["task=oscillation", "task.eval_periods=1", *small]).path,
    }


@pytest.fixture
def call(run_main, runs):
    """Run the command here on one of the runs; gives status and both outputs."""

    def call(kind: str, *words: str) -> tuple[int, str, str]:
        return run_main(main, "rnnlab-sample", f"run={runs[kind]}", *words)

    return call


def test_a_text_continues_the_prompt_by_the_length(call):
    status, out, err = call("text", "prompt=line 7", "length=20", "temperature=0")
    assert (status, err) == (0, "")
    assert out.startswith("line 7")
    assert len(out.rstrip("\n")) <= 26


def test_a_prompt_is_never_taken_for_a_number_or_null(call):
    assert call("text", "prompt=007", "length=3")[1].startswith("007")
    assert call("text", "prompt=", "length=3")[0] == 0
    assert call("text", "prompt=null", "length=3", "temperature=0") == (
        call("text", "length=3", "temperature=0")
    )


def test_draws_are_the_seeds(call):
    words = ["prompt=line", "length=60", "temperature=1.5"]
    assert call("text", *words) == call("text", *words, "seed=0")
    assert call("text", *words)[1] != call("text", *words, "seed=1")[1]
    assert call("text", *words, "top_k=1")[1] == call("text", *words[:2], "temperature=0")[1]


def test_beams_and_several_samples_are_printed(call):
    assert call("text", "prompt=line", "length=10", "beam=3", "length_norm=0.6")[0] == 0
    _, out, _ = call("text", "length=10", "num_samples=3")
    assert out.count("\n---\n") == 2


def test_an_addition_is_asked_by_its_prompt(call):
    status, out, _ = call("addition", "prompt=12+34")
    assert status == 0
    assert out.startswith("12+34 =")


def test_without_a_prompt_test_sequences_are_answered(call):
    status, out, _ = call("copy", "num_samples=2", "length=4")
    assert status == 0
    assert out.count("target") == 2
    target = next(line for line in out.splitlines() if line.startswith("target"))
    assert len(target.replace("_", "").split()) == 1 + 4


def test_an_oscillation_is_a_picture_and_its_numbers(call, runs):
    status, out, _ = call("wave", "num_samples=2", "length=12")
    assert status == 0
    paths = [Path(line) for line in out.splitlines()]
    assert paths == [runs["wave"] / "figures" / f"sample.{kind}" for kind in ("png", "csv")]
    assert len(paths[1].read_text().splitlines()) == 1 + 2 * 12


def test_each_line_of_a_file_is_asked_and_answered_in_a_line(call, tmp_path):
    (tmp_path / "sums.txt").write_text("12+34\n5+6\n\ufeff"[:-1], encoding="utf-8-sig")
    asked = f"prompt_file={tmp_path / 'sums.txt'}"
    status, out, err = call("addition", asked)
    assert (status, err) == (0, "")
    one, two = out.splitlines()
    assert one == call("addition", "prompt=12+34")[1].strip("\n")
    assert two == call("addition", "prompt=5+6")[1].strip("\n")
    answers = tmp_path / "answers.txt"
    assert call("addition", asked, f"answer_file={answers}") == (0, "", "")
    assert answers.read_text() == "".join(f"{line.split(' = ')[1]}\n" for line in (one, two))
    assert call("addition", asked, "answer_file=-")[1] == answers.read_text()
    status, out, err = call("addition", asked, f"answer_file={answers}")
    assert (status, out) == (2, "")
    assert "answer_file must be a new file" in err


def test_prompts_come_from_standard_input(call, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("5+6\n12+34\n"))
    _, out, _ = call("addition", "prompt_file=-")
    assert [line.split(" = ")[0] for line in out.splitlines()] == ["5+6", "12+34"]
    monkeypatch.setattr("sys.stdin", io.StringIO("line 1\nline\n"))
    _, out, _ = call("text", "prompt_file=-", "length=5", "temperature=0")
    assert out == call("text", "prompt=line 1\nline", "length=5", "temperature=0")[1]


def test_a_file_with_a_line_that_cannot_be_asked_is_refused_before_any_answer(call, tmp_path):
    (tmp_path / "sums.txt").write_text("12+34\n12-34\n")
    answers = tmp_path / "answers.txt"
    words = [f"prompt_file={tmp_path / 'sums.txt'}", f"answer_file={answers}"]
    status, out, err = call("addition", *words)
    assert (status, out) == (2, "")
    assert "prompt_file, line 2: the source may hold" in err
    assert not answers.exists()


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("copy", ["prompt=abc"], "prompt must be null, got 'abc': this task"),
        ("text", ["prompt=~"], "prompt must be of the"),
        ("text", ["temperature=-1"], "temperature must be 0.0 or more, got -1"),
        ("text", ["temperature=hot"], "temperature must be a number, got 'hot'"),
        ("text", ["top_k=0"], "top_k must be 1 or more, got 0"),
        ("text", ["top_k=3", "temperature=0"], "top_k=3 needs a temperature above 0"),
        ("text", ["top_p=0.9", "temperature=0"], "top_p=0.9 needs a temperature above 0"),
        ("text", ["top_p=1.5"], "top_p must be at most 1.0, got 1.5"),
        ("text", ["prompt=a", "prompt_file=b"], "prompt must be null where prompt_file"),
        ("text", ["prompt_file=/nowhere"], "/nowhere"),
        ("text", ["answer_file=/nowhere/x"], "answer_file must be in a directory that is there"),
        ("copy", ["answer_file=answers"], "answer_file must be null: this task has no answers in"),
        ("text", ["beam=0"], "beam must be 1 or more, got 0"),
        ("text", ["beam=2", "temperature=1"], "temperature must be 0 or null with beam=2"),
        ("text", ["num_samples=0"], "num_samples must be 1 or more, got 0"),
        ("text", ["length=0"], "length must be 1 or more, got 0"),
        ("text", ["seed=-1"], "seed must be 0 or more, got -1"),
        ("text", ["promt=x"], "promt is not a setting: did you mean prompt?"),
        ("text", ["task.lenght=3"], "did you mean task.length?"),
        ("text", ["trainer.max_steps=3"], "trainer.max_steps is a setting of training"),
        ("text", ["line"], "'line' can't be read as KEY=VALUE"),
        ("wave", ["temperature=1"], "must be null: this task answers in numbers"),
        ("wave", ["answer_file=answers"], "answer_file must be null: this task has no answers in"),
        ("wave", ["beam=2"], "must be null: this task answers in numbers"),
        ("addition", ["prompt=12-34"], "got '-' in '12-34'"),
    ],
)
def test_mistakes_are_status_2_in_one_line(call, kind, words, said):
    status, out, err = call(kind, *words)
    assert status == 2
    assert out == ""
    assert said in err
    assert err.startswith("rnnlab-sample: ")
    assert len(err.splitlines()) == 1


def test_all_mistakes_in_the_commands_keys_are_reported_at_once(call):
    _, _, err = call("text", "beam=0", "length=x", "seed=-1")
    assert len(err.splitlines()) == 3
