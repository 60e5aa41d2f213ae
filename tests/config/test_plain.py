"""Configs become plain containers and YAML as OmegaConf makes them."""

import pytest
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnlab.config import stored
from rnnlab.config.catalogue import describe
from rnnlab.config.compose import compose
from rnnlab.config.plain import is_plain, plain, to_yaml
from rnnlab.config.stored import read_settings

TEXTS = [
    "",
    "1",
    "1e-3",
    "yes",
    "null",
    "~",
    "a: b",
    "- a",
    "#",
    "é",
    "日本",
    "😀",
    "\t",
    "a\nb",
    "x " * 99,
]


@pytest.mark.parametrize("model", sorted(describe("model")))
def test_configs_of_runs_are_converted_as_by_omegaconf(model):
    cfg = compose([f"model={model}", "task=copy"])
    assert is_plain(cfg)
    assert plain(cfg) == OmegaConf.to_container(cfg, resolve=True)
    assert to_yaml(cfg) == OmegaConf.to_yaml(cfg, resolve=True)


@pytest.mark.parametrize("text", TEXTS)
def test_texts_stay_what_they_are(text):
    cfg = OmegaConf.create({"text": text, "list": [text, None, 1.5, True]})
    assert plain(cfg) == {"text": text, "list": [text, None, 1.5, True]}
    assert OmegaConf.create(to_yaml(cfg)) == cfg
    assert yaml.safe_load(to_yaml(cfg))["text"] == text


def test_interpolations_and_missing_values_are_left_to_omegaconf():
    cfg = OmegaConf.create({"a": 1, "b": "${a}", "c": "???", "d": None, "e": {"f": ["${a}"]}})
    assert not is_plain(cfg)
    assert plain(cfg) == {"a": 1, "b": 1, "c": "???", "d": None, "e": {"f": [1]}}
    assert plain(cfg, resolve=False)["b"] == "${a}"
    with pytest.raises(OmegaConfBaseException):
        plain(cfg, throw_on_missing=True)
    assert plain(OmegaConf.create({"a": "???"})) == {"a": "???"}
    assert plain(OmegaConf.create({1: "x", "none": {}, "empty": []})) == {
        1: "x",
        "none": {},
        "empty": [],
    }


def test_libyaml_and_python_read_the_same(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    tree = {"texts": TEXTS, "floats": [1e-9, 1.0, 1e300], "date": "2026-01-01", "files": {}}
    tree |= {"ints": [0, -7, 10**20], "none": None, "bools": [True, False], "nested": {"a": {}}}
    path.write_text(to_yaml(OmegaConf.create(tree)))
    fast = read_settings(path)
    assert fast == tree
    stored._loader.cache_clear()
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert read_settings(path) == fast
    stored._loader.cache_clear()
