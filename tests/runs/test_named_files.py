"""The content of a data file is a part of a run: of its hash, its symbols and every later use."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import rnnlab
from rnnlab.cli import evaluate, sample, train
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.reports.table import read_table
from rnnlab.runs.named_files import with_file_hashes
from rnnlab.runs.run import Run
from rnnlab.training.train import resume
from tests.calls import call
from tests.small_runs import TEXT, tiny, tiny_text

pytestmark = pytest.mark.thorough

PAIRS = "".join(f"the dog {n} sleeps\tle chien {n} dort\n" for n in range(40))
OTHER = TEXT.replace("dog", "god")  # as many symbols, and the same ones
STRANGE = TEXT.replace("dog", "düg")


def trained(place: Path, *more: str) -> Run:
    return rnnlab.train(tiny_text(place, *more))


def rewrite(place: Path, text: str = OTHER) -> None:
    (place / "text.txt").write_text(text, encoding="utf-8")


def move(place: Path) -> Path:
    new = place / "moved.txt"
    shutil.move(place / "text.txt", new)
    return new


def test_a_config_keeps_where_a_file_is_and_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tiny_text(tmp_path)
    monkeypatch.chdir(tmp_path)
    cfg = with_file_hashes(compose([*words, "task.path=text.txt"]))
    assert cfg.task.path == str(tmp_path / "text.txt")
    assert cfg.files == with_file_hashes(compose(words)).files
    assert len(cfg.files["task.path"]) == 64
    rewrite(tmp_path)
    assert cfg.files != with_file_hashes(compose(words)).files


def test_a_setting_that_is_no_file_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recall").write_text("a file of that name", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    cfg = with_file_hashes(compose(tiny(tmp_path, "task.answer=recall")))
    assert (cfg.task.answer, cfg.files) == ("recall", {})


def test_files_are_not_given_by_hand(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="files can't be given: the program fills them in"):
        compose(tiny(tmp_path, "+files.x=1"))


def test_a_sweep_trains_on_a_text_that_was_replaced(tmp_path: Path) -> None:
    words = ["-m", *tiny_text(tmp_path, "seed=0,1", "sweep_name=s")]
    for text, done in ((TEXT, 0), (OTHER, 0), (OTHER, 2)):
        rewrite(tmp_path, text)
        status, _, err = call(train.main, "rnnlab-train", *words)
        assert status == 0
        assert err.count("done before") == done
    table = read_table(tmp_path / "sweeps" / "s")
    assert table.keys == ["seed", "files.task.path"]
    assert len(table.records) == 4


def test_resume_needs_the_same_text(tmp_path: Path) -> None:
    run = trained(tmp_path)
    rewrite(tmp_path)
    with pytest.raises(ConfigError, match=r"task.path=\S+ holds something else than what the run"):
        resume(run, ["trainer.max_steps=6"])
    place = move(tmp_path)
    with pytest.raises(ConfigError, match=r"task.path=\S+ can't be read any more: task.path=FILE"):
        resume(run, ["trainer.max_steps=6"])
    with pytest.raises(ConfigError, match=r"moved.txt holds something else"):
        resume(run, ["trainer.max_steps=6", f"task.path={place}"])
    place.write_text(TEXT, encoding="utf-8")
    more = resume(run, ["trainer.max_steps=6", f"task.path={place}"])
    assert more.results["steps"] == 6
    assert more.config.task.path == str(place)


def test_a_run_whose_text_is_gone_still_speaks(tmp_path: Path) -> None:
    run = trained(tmp_path)
    before = call(sample.main, "rnnlab-sample", f"run={run.path}", "prompt=the", "length=9")
    move(tmp_path)
    after = call(sample.main, "rnnlab-sample", f"run={run.path}", "prompt=the", "length=9")
    assert after == before
    assert Run(run.path).model.training is False
    status, _, err = call(evaluate.main, "rnnlab-evaluate", f"run={run.path}")
    assert status == 2
    assert "can't be read any more: task.path=FILE says where the same file lies now" in err


def test_another_text_is_scored_on_purpose_alone(tmp_path: Path) -> None:
    run = trained(tmp_path)
    rewrite(tmp_path)
    status, _, err = call(evaluate.main, "rnnlab-evaluate", f"run={run.path}")
    assert status == 2
    assert "holds something else than what the run learnt" in err
    words = [f"run={run.path}", f"task.path={tmp_path / 'text.txt'}"]
    assert call(evaluate.main, "rnnlab-evaluate", *words)[0] == 0
    rewrite(tmp_path, STRANGE)
    status, _, err = call(evaluate.main, "rnnlab-evaluate", *words)
    assert status == 2
    assert "'ü'" in err
    # Fewer characters than were learnt keep their ids.
    rewrite(tmp_path, TEXT.replace("0", "1"))
    task = Run(run.path).open([words[1]]).task
    assert task.encode("the dog") == Run(run.path).open([words[1]]).task.encode("the dog")
    assert len(task.symbols) == len(run.symbols)


def test_a_table_keeps_its_words_too(tmp_path: Path) -> None:
    table = tmp_path / "pairs.tsv"
    table.write_text(PAIRS, encoding="utf-8")
    words = ["task=translation", f"task.path={table}", "task.max_clauses=null"]
    run = rnnlab.train([*tiny(tmp_path)[:2], *words, *tiny(tmp_path)[5:]])
    ask = [f"run={run.path}", "prompt=the dog 7 sleeps", "num_samples=1"]
    before = call(sample.main, "rnnlab-sample", *ask)
    table.unlink()
    assert call(sample.main, "rnnlab-sample", *ask) == before
    assert before[0] == 0


@pytest.mark.parametrize("change", [rewrite, move])
def test_a_text_replaced_in_a_group_is_refused(
    change: Callable[[Path], object], tmp_path: Path
) -> None:
    table = tmp_path / "text.txt"
    table.write_text(PAIRS, encoding="utf-8")
    words = ["task=translation", f"task.path={table}", "task.max_clauses=null", "seed=0,1"]
    group = ["-m", "hydra/launcher=vectorized", "sweep_name=s"]
    every = [*tiny(tmp_path)[:2], *words, *tiny(tmp_path)[5:], *group]
    assert call(train.main, "rnnlab-train", *every)[0] == 0
    change(tmp_path)
    status, _, _ = call(train.main, "rnnlab-train", *every)
    assert status == 2  # OTHER is no table, and nothing is none either
    assert len([*(tmp_path / "sweeps" / "s" / "failures").iterdir()]) == 2
