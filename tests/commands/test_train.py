"""Training from Python takes settings in every form, and no other words of the command."""

from pathlib import Path

import pytest

import rnnlab
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from tests.small_runs import tiny


def test_every_form_of_settings_makes_the_same_config(tmp_path):
    words = tiny(tmp_path, "optimizer.lr=0.01")
    pairs = dict(word.split("=", 1) for word in words)
    expected = compose(words)
    for cfg in (
        rnnlab.compose(words),
        rnnlab.compose(*words),
        rnnlab.compose(" ".join(words)),
        rnnlab.compose(pairs),
        rnnlab.compose(**pairs),
        rnnlab.compose(words[:3], " ".join(words[3:]), {"optimizer": {"lr": 0.01}}),
    ):
        assert cfg == expected


def test_the_later_setting_counts(tmp_path):
    cfg = rnnlab.compose(tiny(tmp_path), "seed=1", {"seed": 2}, seed=3)
    assert cfg.seed == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dry_run": True}, "dry_run is no setting of a run: rnnlab.compose checks settings"),
        ({"sweep": "memory"}, "sweep is no setting of a run: rnnlab.sweep trains"),
        ({"resume": "outputs"}, "resume is no setting of a run: rnnlab.resume goes on"),
        ({"trial": 3}, "trial is no setting of a run: trial can't be given"),
        ({"model": "gru,lstm"}, "model=gru,lstm names several values: .* call rnnlab.sweep"),
        ({"modle": "gru"}, "modle is not a setting: did you mean model"),
        ({"seed": "one"}, "seed must be a whole number, got 'one'"),
        ({"config_dir": "nowhere"}, "--config-dir must be a directory, got nowhere"),
    ],
)
def test_what_does_not_go_with_training_is_refused(given, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        rnnlab.train("task=copy", output_dir=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_a_run_records_its_settings_as_the_command_does(tmp_path):
    run = rnnlab.train(tiny(tmp_path), {"optimizer.lr": 0.01}, seed=1)
    overrides = run.card["overrides"]
    assert (overrides["model"], overrides["optimizer.lr"], overrides["seed"]) == (
        *("elman", "0.01", "1"),
    )
    assert "output_dir" not in overrides
    again = rnnlab.resume(str(run.path), trainer={"max_steps": 5})
    assert rnnlab.resume(again, "trainer.max_steps=6").results["steps"] == 6


@pytest.mark.parametrize("call", [rnnlab.resume, rnnlab.evaluate, rnnlab.sample, rnnlab.load])
def test_what_is_no_run_is_refused_in_one_line(call, tmp_path):
    with pytest.raises(ConfigError, match="run must be a run or its directory, got 3"):
        call(3)
    with pytest.raises(ConfigError, match="must be the directory of a run, with a "):
        call(tmp_path)


def test_a_run_that_was_removed_says_so(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1")
    run = rnnlab.load(tmp_path)
    Path(tmp_path / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        _ = run.config


def test_own_configs_are_found(tmp_path):
    (tmp_path / "experiment").mkdir()
    mine = "# @package _global_\ndefaults: [override /task: copy]\nseed: 7\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(mine)
    cfg = rnnlab.compose("experiment=mine", config_dir=tmp_path)
    assert (cfg.seed, cfg.choices.task) == (7, "copy")
