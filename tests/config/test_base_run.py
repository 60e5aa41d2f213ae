"""`init_from=DIR`: the task and the model of the run there are the base of the new one."""

from pathlib import Path

import pytest

import rnnlab
from rnnlab.cli import train
from rnnlab.config.base_run import overrides_of_base
from rnnlab.config.compose import compose
from rnnlab.config.overrides import format_value
from rnnlab.errors import ConfigError
from rnnlab.runs.run import Run
from tests.calls import call
from tests.small_runs import tiny


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("old")
    return rnnlab.train(tiny(place, "model.cell.activation=relu"))


def test_the_base_is_the_task_and_the_model_of_the_run(old: Run) -> None:
    cfg = compose([f"init_from={old.path}", "optimizer.lr=1e-4"])
    for part in ("task", "model"):
        assert cfg[part] == old.config[part]
    assert (cfg.choices.task, cfg.choices.model) == ("copy", "elman")
    assert cfg.optimizer.lr == 1e-4
    assert cfg.trainer.max_steps != old.config.trainer.max_steps  # all else is new


def test_words_change_the_base(old: Run) -> None:
    cfg = compose([f"init_from={old.path}", "task.delay=2", "model.cell.activation=tanh"])
    assert (cfg.task.length, cfg.task.delay) == (3, 2)
    assert (cfg.model.cell.hidden_size, cfg.model.cell.activation) == (8, "tanh")


def test_a_chosen_part_stands_alone(old: Run) -> None:
    cfg = compose([f"init_from={old.path}", "task=addition"])
    assert cfg.task == compose(["task=addition"]).task
    assert cfg.model == old.config.model


def test_parts_of_an_encoder_decoder_can_be_chosen_otherwise(tmp_path: Path) -> None:
    chosen = ["model@model.decoder=gru", "model.encoder.cell.hidden_size=5", "task=addition"]
    run = Run.create(compose(["model=seq2seq", *chosen, f"output_dir={tmp_path}"]))
    cfg = compose([f"init_from={run.path}", "model@model.encoder=elman"])
    assert cfg.choices["model@model.decoder"] == "gru"
    assert cfg.model.decoder == run.config.model.decoder
    assert cfg.model.encoder == compose(["model=elman"]).model


@pytest.mark.parametrize("word", ["model=lstm", "init_from=null"])
def test_no_run_is_no_base(word: str) -> None:
    assert overrides_of_base([word]) == []


def test_strange_settings_come_through(tmp_path: Path) -> None:
    cfg = compose(["task=next_char", f"output_dir={tmp_path}"])
    cfg.task.path = "/it's, {a}=1 \\place/[x]"
    text = Run.create(cfg)
    assert compose([f"init_from={text.path}"]).task == cfg.task


def test_a_directory_may_have_any_name(tmp_path: Path) -> None:
    place = tmp_path / "'it's', a=[run]'"
    place.mkdir()
    run = Run.create(compose(tiny(tmp_path, "model.cell.hidden_size=5")), place / "run'")
    for word in (
        f"init_from={format_value(str(run.path))}",
        f"init_from={format_value(str(run.path))},null",
    ):
        assert "model.cell.hidden_size=5" in overrides_of_base([word])


def test_runs_of_a_sweep_must_be_alike(old: Run, tmp_path: Path) -> None:
    other = Run.create(compose(tiny(tmp_path, "task.delay=3")))
    with pytest.raises(ConfigError, match="init_from names runs that differ in task or model"):
        overrides_of_base([f"init_from={old.path},{other.path}"])


@pytest.mark.thorough
def test_the_commands_of_the_readme_begin_any_run(old: Run, tmp_path: Path) -> None:
    out = [f"output_dir={tmp_path}", "trainer.max_steps=2", "data.test_size=6", "data.val_size=6"]
    assert (
        call(train.main, "rnnlab-train", f"init_from={old.path}", "optimizer.lr=1e-4", *out)[0] == 0
    )
    [card] = tmp_path.rglob("run.json")
    assert "task" not in Run(card.parent).card["overrides"]
    for launcher in ("basic", "vectorized"):
        sweep = [f"sweep_name={launcher}", f"hydra/launcher={launcher}"]
        words = ["-m", f"init_from={old.path}", "optimizer.lr=1e-4,1e-3", *sweep, *out]
        assert call(train.main, "rnnlab-train", *words)[0] == 0
