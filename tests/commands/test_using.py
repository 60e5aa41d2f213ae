"""What functions that use a run return, beside what the commands print."""

import json
from pathlib import Path

import pytest

import rnnlab
from rnnlab.cli import evaluate as evaluate_command
from rnnlab.cli import sample as sample_command
from rnnlab.errors import ConfigError
from rnnlab.runs.run import Run
from tests.small_runs import tiny, tiny_text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny_text(tmp_path_factory.mktemp("runs")))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["split=val task.length=5"], {}),
        ([{"task.length": 5}], {"split": "val"}),
        ([["task.length=5"]], {"split": "val"}),
        ([], {"split": "val", "task": {"length": 5}}),
    ],
)
def test_an_evaluation_is_what_the_command_prints(run, run_main, settings, named):
    found = rnnlab.evaluate(run, *settings, **named)
    words = (f"run={run.path}", "split=val", "task.length=5")
    _, out, _ = run_main(evaluate_command.main, "rnnlab-evaluate", *words)
    assert out == f"{found}\n"
    lines = (run.path / "evaluations.jsonl").read_text().splitlines()
    assert json.loads(lines[-1]) == json.loads(lines[-2])
    assert json.loads(lines[-1])["metrics"] == found.metrics
    assert set(found.floor) == {"loss", "accuracy"}
    assert "<td>accuracy</td>" in found._repr_html_()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"split": "train"}, "split must be one of val or test, got 'train'"),
        ({"checkpoint": "first"}, "checkpoint must be one of best or last, got 'first'"),
        ({"lenght": 3}, "lenght is not a setting"),
    ],
)
def test_a_wrong_argument_is_refused_as_a_wrong_word(run, named, said):
    with pytest.raises(ConfigError, match=said):
        rnnlab.evaluate(run, **named)


def test_samples_are_what_the_command_prints(writer, run_main):
    pieces: list[str] = []
    found = rnnlab.sample(writer, prompt="line", length=9, seed=3, write=pieces.append)
    words = (f"run={writer.path}", "prompt=line", "length=9", "seed=3")
    _, out, _ = run_main(sample_command.main, "rnnlab-sample", *words)
    assert out == "".join(pieces) == f"{found}\n"
    assert found.texts[0].startswith("line")
    assert found.files == []
    assert "<pre>line" in found._repr_html_()


def test_several_prompts_have_a_text_each(writer, capsys):
    found = rnnlab.sample(writer, prompt=["line", "dog"], length=3)
    assert [text[:3] for text in found.texts] == ["lin", "dog"]
    assert capsys.readouterr().out == ""


def test_answers_go_to_a_new_file(writer, tmp_path):
    rnnlab.sample(writer, prompt="line", length=5, answer_file=tmp_path / "new.txt")
    assert len((tmp_path / "new.txt").read_text()) == 6
    with pytest.raises(ConfigError, match="answer_file must be a new file"):
        rnnlab.sample(writer, prompt="line", length=5, answer_file=tmp_path / "new.txt")


def test_prompts_are_given_once(writer):
    with pytest.raises(ConfigError, match="prompt must be null where prompt_file gives"):
        rnnlab.sample(writer, prompt="a", prompt_file="b")


def test_an_analysis_has_numbers_figures_and_a_summary(run):
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    lines: list[object] = []
    found = rnnlab.analyze(run, "lengths", {"analysis.num_sequences": 4}, show=lines.append)
    assert set(found.numbers) == {"lengths"}
    assert found.figures["lengths"] == run.path / "figures" / "lengths.png"
    assert str(found) == found.summaries["lengths"]
    assert lines == [*found.summaries["lengths"].split("\n"), *map(str, found.files)]
    assert "data:image/png" in found._repr_html_()
    assert set(run.figures) >= {"lengths"}


@pytest.mark.parametrize(
    ("analysis", "settings", "said"),
    [
        ("lenghts", [], "analysis=lenghts doesn't exist: did you mean lengths?"),
        (["lengths", "stats"], [], "analysis=stats doesn't exist: did you mean states?"),
        (["lengths", "states"], ["analysis.a=1"], "'analysis.a=1' must be about one analysis"),
        ("attention", [], "analysis=attention makes no sense here"),
    ],
)
def test_an_analysis_that_does_not_fit_is_refused(run, analysis, settings, said):
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    with pytest.raises(ConfigError, match=said):
        rnnlab.analyze(run, analysis, *settings)


def test_a_run_given_by_its_directory_is_the_same(run, monkeypatch):
    monkeypatch.chdir(run.path.parent)
    by_path = rnnlab.evaluate(Path(run.path.name))
    assert by_path.metrics == rnnlab.evaluate(run).metrics
