"""Settings of Python code become the overrides that a command line would have."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rnnlab.config.arguments import as_overrides
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "named", "overrides"),
    [
        (["model=lstm task=copy"], {}, ["model=lstm", "task=copy"]),
        (["task.path='my file.txt'"], {}, ["task.path=my file.txt"]),
        ([["model=lstm", "task.path=my file.txt"]], {}, ["model=lstm", "task.path=my file.txt"]),
        ([("model=lstm",), "seed=1"], {"task": "copy"}, ["model=lstm", "seed=1", "task=copy"]),
        ([{"trainer.max_steps": 10}], {"seed": 2}, ["trainer.max_steps=10", "seed=2"]),
        ([{"trainer": {"max_steps": 10}}], {}, ["trainer.max_steps=10"]),
        ([], {"trainer": {"a": {"b": 1}}, "seed": 0}, ["trainer.a.b=1", "seed=0"]),
        ([{"+callbacks.mine": {"_target_": "a.B"}}], {}, ["+callbacks.mine={_target_:'a.B'}"]),
        ([{"callbacks": {}}], {}, ["callbacks={}"]),
        ([], {"a": None, "b": True, "c": False, "d": 1e-05}, "a=null b=true c=false d=1e-05"),
        ([], {"packages": ["mypkg"]}, ["packages=['mypkg']"]),
        ([], {"betas": (0.9, 0.99)}, ["betas=[0.9,0.99]"]),
        ([], {"parameters": "50k", "init_from": Path("a/b")}, "parameters=50k init_from=a/b"),
        ([], {"text": "a = b, (c)"}, ["text='a = b, (c)'"]),
        ([], {"a": np.int64(3), "b": np.float32(0.5), "c": np.arange(2)}, "a=3 b=0.5 c=[0,1]"),
        ([], {}, []),
    ],
)
def test_each_form_becomes_overrides(given, named, overrides):
    expected = overrides.split() if isinstance(overrides, str) else overrides
    assert as_overrides(given, named) == expected


@pytest.mark.parametrize(
    ("named", "overrides"),
    [
        ({"model": ["gru", "lstm"], "seed": range(3)}, ["model=gru,lstm", "seed=0,1,2"]),
        ({"seed": "0,1"}, ["seed=0,1"]),
        ({"optimizer": {"lr": (1e-3, 1e-2)}}, ["optimizer.lr=0.001,0.01"]),
        ({"optimizer.betas": [[0.9, 0.99]]}, ["optimizer.betas=[0.9,0.99]"]),
        ({"optimizer.lr": "interval(1e-4, 1e-1)"}, ["optimizer.lr=interval(1e-4, 1e-1)"]),
    ],
)
def test_a_list_of_a_sweep_has_a_value_for_each_job(named, overrides):
    assert as_overrides([], named, several=True) == overrides


@pytest.mark.parametrize(
    ("given", "named", "said"),
    [
        ([3], {}, "settings must be given as 'model=lstm task=copy', "),
        ([None], {}, r"got None \(NoneType\)"),
        ([b"model=lstm"], {}, r"got b'model=lstm' \(bytes\)"),
        ([["model=lstm", 3]], {}, r"a list of settings must hold texts KEY=VALUE, got 3 \(int\)"),
        ([["model=lstm", ["seed=1"]]], {}, r"must hold texts KEY=VALUE, got \['seed=1'\] \(list\)"),
        ([{3: 4}], {}, r"a setting's key must be a text, got 3 \(int\)"),
        (["model='lstm"], {}, "can't be split into words: No closing quotation"),
        ([], {"seed": Fraction(1)}, r"seed must be a text, a number, .* got Fraction\(1, 1\)"),
        ([], {"seed": [object()]}, "seed must be a text, a number, "),
    ],
)
def test_what_is_no_setting_gives_one_line(given, named, said):
    with pytest.raises(ConfigError, match=said) as caught:
        as_overrides(given, named)
    assert "\n" not in str(caught.value)


def test_a_sweep_over_nothing_is_refused():
    with pytest.raises(ConfigError, match="seed must have a value or more to sweep, got none"):
        as_overrides([], {"seed": []}, several=True)


def test_a_text_is_the_setting_whatever_it_holds(tmp_path):
    text = "it's (a, b) = [c]"
    cfg = compose(as_overrides([], {"task": "copy", "output_dir": tmp_path / text}))
    assert cfg.output_dir == str(tmp_path / text)
