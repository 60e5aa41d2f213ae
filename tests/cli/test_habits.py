"""Options as in other tools work, or give one clear line with rnnlab's name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rnnlab.cli.train import main
from rnnlab.runs.run import Run
from tests.small_runs import TEXT, tiny, tiny_text

Call = Callable[..., tuple[int, str, str]]
NO_OPTION = "is not an option; settings are KEY=VALUE, without dashes"


@pytest.fixture
def call(run_main: Callable[..., tuple[int, str, str]]) -> Call:
    """Run the command here; gives status, standard output and standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        return run_main(main, "rnnlab-train", *words)

    return run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and working directory with nothing in it."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place))
    return place


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("modle=elman", "modle is not a setting: did you mean model?"),
        ("device=cuda", "device is not a setting: did you mean trainer=gpu?"),
        ("device=cpu", "device is not a setting: did you mean trainer=cpu?"),
        ("--max_steps 5", f"--max_steps {NO_OPTION}: did you mean trainer.max_steps=5?"),
        ("--lr=0.1", f"--lr {NO_OPTION}: did you mean optimizer.lr=0.1?"),
        ("-lr 0.1 model=elman", f"-lr {NO_OPTION}: did you mean optimizer.lr=0.1?"),
        ("--batch-size 3", f"--batch-size {NO_OPTION}: did you mean data.batch_size=3?"),
        ("--task.delay 3 task=copy", f"--task.delay {NO_OPTION}: did you mean task.delay=3?"),
        ("--model elman", f"--model {NO_OPTION}: did you mean model=elman?"),
        ("--cuda", f"--cuda {NO_OPTION}: did you mean trainer=gpu?"),
        ("--lr", f"--lr {NO_OPTION}: did you mean optimizer.lr=VALUE?"),
        ("--multi-run seed=0,1", f"--multi-run {NO_OPTION}: did you mean --multirun?"),
        ("--qqqqqq", NO_OPTION),
        ("--epochs 3", "did you mean trainer.max_steps=3? It counts updates, not epochs"),
        ("epochs=3", "did you mean trainer.max_steps? It counts updates, not epochs"),
        ("--help=3", "argument --help/-h: ignored explicit argument '3'"),
        ("--cfg x", "argument --cfg/-c: invalid choice: 'x'"),
        ("--config my.yaml", "ambiguous option: --config could match --config-path"),
        ("--config-dir", "argument --config-dir/-cd: expected one argument"),
        ("lr=0.1", "did you mean optimizer.lr?"),
        ("batch_size=8", "did you mean data.batch_size?"),
        ("hidden_size=8", "did you mean model.cell.hidden_size?"),
        ("n_layers=2", "did you mean model.num_layers?"),
        ("hidden=8 model=seq2seq", "model.encoder.cell.hidden_size or model.decoder.cell.hidden"),
        ("cell=gru", "did you mean model?"),
        ("model=elman,", "'model=elman,' can't be read as KEY=VALUE: a value is missing beside a"),
        ("model:elman", "it has no =: did you mean model=elman?"),
        ("elman", "'elman' can't be read as KEY=VALUE: did you mean model=elman?"),
        ("model", "it has no =; model is one of ar, ar_ffn, ctrnn"),
        ("optimizer.betas=0.9,0.99", "or take optimizer.betas=[0.9,0.99] for a list"),
        ("task.path=a,b.txt", "stands in quotes: 'task.path=\"a,b.txt\"'"),
    ],
)
def test_another_tools_word_is_answered_with_ours(call, place, words, said):
    status, out, err = call(*words.split())
    assert status == 2
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("rnnlab-train: ")
    assert said in line
    assert "EOF" not in line
    assert list(place.iterdir()) == []


def test_all_options_that_there_are_not_are_named_at_once(call):
    status, _, err = call("--model", "elman", "--max_steps", "10", "task=copy", "--lr=-1", "--gpu")
    assert status == 2
    assert [line.rpartition(" ")[2] for line in err.splitlines()] == [
        *("model=elman?", "trainer.max_steps=10?", "optimizer.lr=-1?", "trainer=gpu?"),
    ]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "lacking"),
    [
        ("model=elman,lstm model.cell.forget_bias=1,2", "elman"),
        ("model=lstm,elman model.cell.forget_bias=1", "elman"),
        ("model.cell.forget_bias=1 seed=0,1 model=gru,lstm,elman", "gru, model=elman"),
    ],
)
def test_a_sweep_over_models_of_which_one_lacks_a_setting_names_it(call, place, words, lacking):
    status, _, err = call("-m", "task=copy", *words.split())
    assert status == 2
    assert err == (
        "rnnlab-train: model.cell.forget_bias is a setting of model=lstm and not of "
        f"model={lacking}: sweep them one after the other\n"
    )
    assert list(place.iterdir()) == []


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["a,b.txt", "Wörter (1).txt", "2024"])
def test_a_text_is_found_in_the_home_directory_whatever_it_is_called(call, place, name):
    (place / name).write_text(TEXT, encoding="utf-8")
    given = tiny_text(place / "x")
    words = [word for word in given if not word.startswith(("task.path", "output_dir"))]
    for path in (name, f"~/{name}"):
        status, out, err = call(*words, f"task.path={path}", "output_dir=~/my runs (all)")
        assert status == 0, err
        run = Run.load(out.splitlines()[-1])
        assert run.path.is_relative_to(place / "my runs (all)")
        assert run.config.task.path == str(place / name)


@pytest.mark.thorough
def test_swept_texts_are_found_in_the_home_directory(call, place):
    for name in ("one", "zwölf"):
        (place / name).write_text(TEXT, encoding="utf-8")
    words = [word for word in tiny_text(place / "x") if not word.startswith("task.path")]
    status, _, err = call("-m", *words, "task.path=~/one,~/zwölf", "sweep_name=s")
    assert status == 0, err
    runs = [Run.load(path.parent) for path in place.glob("x/sweeps/s/*/config.yaml")]
    assert {run.config.task.path for run in runs} == {str(place / n) for n in ("one", "zwölf")}


def test_a_run_is_found_in_the_home_directory(call, place):
    _, out, _ = call(*tiny(place / "x"))
    path = Path(out.splitlines()[-1]).relative_to(place)
    for words in ([f"resume=~/{path}"], [*tiny(place / "x"), f"init_from=~/{path}"]):
        status, _, err = call(*words)
        assert status == 0, err
