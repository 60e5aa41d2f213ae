"""What functions that use a run return, beside what the commands print."""

import json
from pathlib import Path

import pytest

import rnnlab
from rnnlab.cli import evaluate as evaluate_command
from rnnlab.cli import predict as predict_command
from rnnlab.cli import runs as runs_command
from rnnlab.cli import sample as sample_command
from rnnlab.errors import ConfigError
from rnnlab.runs.run import Run
from tests.reports.fabricate import fabricate
from tests.small_runs import ELMAN, SMALL, tiny, tiny_text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rnnlab.train(tiny_text(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def adder(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs")
    return rnnlab.train(["task=addition", *ELMAN, *SMALL, f"output_dir={out}"])


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


def records(table) -> list[dict]:
    """Give the rows of a table, whether it is a data frame or not."""
    return table if isinstance(table, list) else table.to_dict("records")


def cells(table) -> list[list]:
    return [list(row.values()) for row in records(table)]


def test_predictions_are_what_the_command_prints(adder, run_main, tmp_path):
    texts = ["12+34", "", "5+6"]
    found = rnnlab.predict(adder, texts)
    (tmp_path / "sums.txt").write_text("\n".join(texts))
    words = (f"run={adder.path}", f"input={tmp_path / 'sums.txt'}")
    _, out, _ = run_main(predict_command.main, "rnnlab-predict", *words)
    assert out == f"{found}\n"
    assert list(found) == out.splitlines() == [found[0], "", found[2]]
    assert found[:2] == [found[0], ""]
    assert cells(found.table) == [list(pair) for pair in zip(texts, found, strict=True)]
    assert found._repr_html_().startswith("<table>\n<tr><th>input</th><th>prediction</th></tr>")


def test_predictions_are_written_only_where_that_is_asked_for(adder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = rnnlab.predict(adder, ["12+34"])
    assert (found.path, list(tmp_path.iterdir())) == (None, [])
    made = rnnlab.predict(adder, ["12+34"], "seed=1", output="sums.csv")
    assert made.path == Path("sums.csv")
    assert Path("sums.csv").read_text() == f"input,prediction\n12+34,{found[0]}\n"
    assert capsys.readouterr() == ("", "")


def test_a_data_frame_is_asked_as_its_csv(adder):
    class Frame:
        def to_csv(self, *, index: bool) -> str:
            assert not index
            return "sum,note\n12+34,a\n"

        def __eq__(self, other: object) -> bool:
            raise ValueError("the truth value of a frame is ambiguous")

        __hash__ = None

    found = rnnlab.predict(adder, Frame())
    assert cells(found.table) == [["12+34", "a", found[0]]]
    assert list(found) == list(rnnlab.predict(adder, ["12+34"]))


def test_a_forecast_is_numbers(tmp_path):
    rows = [f"{n},{n % 7}" for n in range(200)]
    (tmp_path / "sales.csv").write_text("\n".join(["day,sales", *rows]))
    words = [*ELMAN, "task=series", "task.cue_steps=3", "task.forecast_steps=3", *SMALL]
    run = rnnlab.train([*words, f"task.path={tmp_path / 'sales.csv'}", f"output_dir={tmp_path}"])
    found = rnnlab.predict(run, ["day,sales", *rows[:9]], length=2)
    assert [len(step) for step in found] == [1, 1]
    assert all(isinstance(value, float) for (value,) in found)
    assert [row[0] for row in cells(found.table)] == [1, 2]
    assert str(found).splitlines()[0] == "step\tsales"
    assert list(rnnlab.predict(run, tmp_path / "sales.csv", length=5)[:1]) != found[:1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (7, "input must be a file, texts or a data frame, got 7"),
        (["1+2", 3], "input: number 2 of the list must be a text, got 3"),
        (["1+2", "a"], "input: line 2 of the list: the source may hold"),
        ("nowhere", "nowhere is missing"),
    ],
)
def test_what_cannot_be_asked_is_refused(adder, given, said):
    with pytest.raises(ConfigError, match=said):
        rnnlab.predict(adder, given)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for seed in range(3):
        words = {"model": ("gru", "lstm")[seed % 2], "task": "copy", "seed": seed}
        started = f"2026-01-0{seed + 1}T00:00:00"
        fabricate(tmp_path, words, {"loss": 1 / (seed + 1)}, name=f"run{seed}", started=started)
    fabricate(tmp_path, {"model": "gru", "task": "copy", "seed": 9}, status="failed", name="lost")
    return tmp_path


def test_found_runs_are_what_the_command_prints(place, run_main):
    found = rnnlab.find_runs(place, "state=finished", sort="score")
    words = (str(place), "state=finished", "sort=score")
    _, out, _ = run_main(runs_command.main, "rnnlab-runs", *words)
    assert out == f"{found}\n"
    _, out, _ = run_main(runs_command.main, "rnnlab-runs", *words, "--json")
    assert json.loads(out) == found.rows
    assert [run.path.name for run in found.runs] == ["run2", "run1", "run0"]
    assert "3 of 4 runs below" in found._repr_html_()


@pytest.mark.parametrize(
    ("conditions", "named", "names"),
    [
        (["model=gru"], {}, ["lost", "run0", "run2"]),
        ([], {"model": "gru", "state": "finished"}, ["run0", "run2"]),
        ([], {"seed": [0, 1]}, ["run0", "run1"]),
        (["seed>0 'test/loss<0.4'"], {}, ["run2"]),
        ([["seed>0", "model=l*"]], {}, ["run1"]),
    ],
)
def test_runs_are_found_by_conditions_in_any_form(place, conditions, named, names):
    found = rnnlab.find_runs(str(place), *conditions, **named)
    assert sorted(run.path.name for run in found.runs) == names
    assert len(found) == len(found.table) == len(names)


def test_a_row_of_the_table_has_settings_and_scores(place):
    (row,) = rnnlab.find_runs(place, seed=2).rows
    assert row["run"] == str(place / "run2")
    assert row["scores"]["test/loss"] == pytest.approx(1 / 3)
    table = rnnlab.find_runs(place, seed=range(2), sort="seed").table
    rows = records(table)
    assert [row["seed"] for row in rows] == [0, 1]
    assert [row["test/loss"] for row in rows] == [1, 0.5]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed>x"], "seed> takes a number, got 'x'"),
        (["sede=1"], "did you mean seed"),
        (["seed='1"], "can't be split into conditions"),
    ],
)
def test_conditions_that_cannot_be_read_are_refused(place, words, said):
    with pytest.raises(ConfigError, match=said):
        rnnlab.find_runs(place, *words)


def test_an_exported_model_says_where_it_is(run, tmp_path):
    pytest.importorskip("safetensors", reason="the extra export is missing")
    made = rnnlab.export(run, "safetensors", tmp_path / "mine")
    assert (made.path, made.graphs, str(made)) == (tmp_path / "mine", [], str(tmp_path / "mine"))
    with pytest.raises(ConfigError, match="output must be a new directory"):
        rnnlab.export(run, "safetensors", tmp_path / "mine")
    with pytest.raises(ConfigError, match="to must be one of safetensors or onnx, got 'pickle'"):
        rnnlab.export(run, "pickle", tmp_path / "other")
