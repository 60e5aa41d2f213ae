"""Suggestions for unknown names."""

from itertools import product

import pytest

from rnnlab.config.compose import compose
from rnnlab.config.explain import settings_of
from rnnlab.config.suggestions import _CALLED, _FIXED, did_you_mean, distance

GROUPS = {"model": ("elman", "lstm"), "trainer": ("cpu", "ddp", "gpu")}


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [
        ("", "", 0),
        ("model", "model", 0),
        ("modle", "model", 1),
        ("modle", "mode", 1),
        ("ca", "abc", 3),  # by optimal alignment, which mends no place twice
        ("lenght", "length", 1),
        ("hiden", "hidden", 1),
        ("abc", "xyz", 3),
    ],
)
def test_slips_are_counted(one, other, slips):
    assert distance(one, other, 5) == slips
    assert distance(other, one, 5) == slips


def test_what_is_further_than_asked_for_is_further_than_any_two_words():
    assert distance("abc", "xyz", 2) > 6


@pytest.mark.parametrize(
    ("word", "value", "meant"),
    [
        ("modle", None, "model"),
        ("modle", "elman", "model"),
        ("modle", "min", "mode"),
        ("spede", "3", "speed"),
        ("spede", "fast", "spade"),
    ],
)
def test_of_two_as_near_the_value_decides(word, value, meant):
    known = {"mode": "max", "model": ("elman", "lstm"), "speed": 1, "spade": "slow"}
    assert did_you_mean(word, known, value) == f": did you mean {meant}?"


def test_a_class_is_never_suggested_for_a_setting():
    known = {"model.cell._target_": "x", "model.cell.cue_gain": 1}
    assert did_you_mean("model.cell.target", known) == ""
    assert did_you_mean("model.cell._taget_", known) == ": did you mean model.cell._target_?"


@pytest.mark.parametrize("value", ["cuda", "cuda:1", "gpu", "1", "true", None])
def test_a_device_is_a_choice_of_trainer(value):
    assert did_you_mean("device", GROUPS, value) == ": did you mean trainer=gpu?"
    assert did_you_mean("device", {**GROUPS, "device": None}, value) == ": did you mean device?"


def test_other_devices_are_other_trainers():
    assert did_you_mean("device", GROUPS, "cpu") == ": did you mean trainer=cpu?"
    known = {**GROUPS, "trainer.devices": 1}
    assert did_you_mean("gpus", known, "2") == ": did you mean trainer=ddp trainer.devices=2?"


def test_what_names_a_cell_elsewhere_is_a_model_or_the_cells_own_mapping():
    known = {"model.cell": {"size": 3}, "model": ("elman", "lstm")}
    assert did_you_mean("cell", known, "lstm") == ": did you mean model?"
    assert did_you_mean("cell", known, "{size:4}") == ": did you mean model.cell?"


def test_a_name_too_long_to_be_meant_takes_no_time():
    assert did_you_mean("x" * 100_000, {"x" * 99_999: 1}) == ""
    assert did_you_mean("--", GROUPS) == ""


TASKS = ("next_char", "translation")


def test_every_name_that_is_suggested_is_one_here():
    own = {"resume", "run", "prompt", "num_samples", "temperature", "length", "beam"}
    own |= {"logger", "curriculum", "model.attention", "model.teacher_forcing"}
    pairs = product(("elman", "transformer"), TASKS)
    known = own.union(*(settings_of(compose([f"model={m}", f"task={t}"])) for m, t in pairs))
    known |= {"sweep_name", "dry_run", "parameters"}
    assert not [key for key in _CALLED if key not in known]
    for word in _FIXED:
        compose([word, "model=elman", "task=copy"])


def test_no_name_of_ours_is_another_tools_word_for_something_else():
    known = settings_of(compose(["model=lstm", "task=translation"]))
    for key in known:
        if not key.startswith("choices") and "_target_" not in key:
            assert did_you_mean(key, known).startswith(f": did you mean {key}"), key
