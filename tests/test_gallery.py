"""The record of the gallery: docs/gallery.json, and what is made from it."""

import json
import re
from math import comb

import pytest
import yaml

import gallery
from rnnlab.cli import reproduce
from rnnlab.reproductions.entry import FIRST_SEED, Entry, entry_names
from tests.test_docs import own_entry

RECORD = json.loads(gallery.RECORD.read_text(encoding="utf-8"))


def test_every_entry_has_a_record():
    assert set(RECORD) == set(entry_names())


@pytest.mark.parametrize("name", RECORD)
def test_a_record_is_of_the_entry_as_it_is_now(name):
    entry = Entry.load(name)
    for seeds, outcome in RECORD[name].items():
        assert outcome["seeds"] == [FIRST_SEED[seeds] + n for n in range(entry.seeds)]
        assert re.fullmatch("[0-9a-f]{9}", outcome["commit"])
        assert gallery.is_of(entry, outcome)


@pytest.mark.parametrize("name", RECORD)
def test_what_did_not_come_out_says_what_was_tried(name):
    verdict, entry = RECORD[name]["fresh"]["verdict"], Entry.load(name)
    assert (verdict == "reproduced") != bool(entry.tried)


@pytest.mark.parametrize("name", RECORD)
def test_a_true_success_fails_by_chance_in_less_than_one_of_a_hundred(name):
    """Taking as the rate of success what both sets of seeds show together."""
    found = [RECORD[name][seeds]["findings"] for seeds in ("tuning", "fresh")]
    for tuning, fresh in zip(*found, strict=True):
        size, least = len(fresh["values"]), fresh["least"]
        rate = (tuning["kept"] + fresh["kept"]) / (2 * size)
        fewer = sum(comb(size, k) * rate**k * (1 - rate) ** (size - k) for k in range(least))
        assert fewer < 0.01, (fresh["what"], fresh["job"])


@pytest.mark.parametrize("name", ["PAGE", "README"])
def test_the_page_and_the_readme_are_made_from_the_record(monkeypatch, tmp_path, name):
    pages = {
        name: getattr(gallery, name).read_text(encoding="utf-8") for name in ("PAGE", "README")
    }
    for each, text in pages.items():
        monkeypatch.setattr(gallery, each, tmp_path / each)
        getattr(gallery, each).write_text(text, encoding="utf-8")
    gallery.write_page(RECORD)
    assert getattr(gallery, name).read_text(encoding="utf-8") == pages[name]


def test_the_pages_own_entry_can_be_tried(run_main, tmp_path):
    (tmp_path / "reproduce").mkdir()
    (tmp_path / "reproduce" / "short_copy.yaml").write_text(own_entry(), encoding="utf-8")
    words = ["short_copy", "tier=smoke", f"output_dir={tmp_path / 'out'}", "--config-dir"]
    status, out, err = run_main(reproduce.main, "rnnlab-reproduce", *words, str(tmp_path))
    assert status == 0, err
    assert "short_copy: smoke" in out
    assert yaml.safe_load(own_entry())["claims"][0]["must"] == ">= 0.9"


def test_the_record_is_drawn_again_without_training(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    (tmp_path / "pictures").mkdir()
    monkeypatch.setattr(gallery, "DOCS", tmp_path)
    monkeypatch.setattr("sys.argv", ["gallery.py", "trask2015_binary_addition", "redraw=true"])
    monkeypatch.setattr(gallery, "write_page", lambda _: None)
    gallery.main()
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.read_bytes().startswith(b"\x89PNG")
