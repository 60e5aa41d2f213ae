"""Reading of untrusted files: it never blocks, and validates types."""

import json
import os
from pathlib import Path

import pytest

from rnnlab.errors import Damaged, Missing
from rnnlab.files.untrusted import Failure, Results, RunCard, read_bytes, read_json

RESULTS = {
    "task": "copy",
    "model": "elman",
    "train": {},
    "val": {},
    "test": {},
    "floor": {},
    "breakdown": {"by_length": {"3": 0.5}},
    "parameters": 1,
    "steps": 2,
    "best_step": 2,
    "sequences": 8,
}


def test_a_file_is_read(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\0123")
    assert read_bytes(path, largest=4) == b"\0123"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Things that are not a file of a sane size."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "larger").write_bytes(b"12345")
    return tmp_path


@pytest.mark.parametrize("name", ["pipe", "zero", "directory", "loop", "huge", "larger", "a\0b"])
def test_what_is_no_file_of_a_sane_size_is_refused_at_once(odd, name):
    with pytest.raises(Damaged) as caught:
        read_bytes(odd / name, largest=4)
    assert str(caught.value).startswith(f"{odd / name} ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(Missing, match="x is missing"):
        read_bytes(tmp_path / "x", largest=1)


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        (RunCard, "", "Expecting value"),
        (RunCard, "[]", "it must be dictionary"),
        (RunCard, "{}", "status is missing"),
        (RunCard, '{"status": ["x"]}', "status must be string"),
        (RunCard, '{"status": "x", "overrides": [1]}', "overrides must be dictionary"),
        (RunCard, '{"status": "x", "overrides": {"a": 1}}', "overrides.a must be string"),
        (RunCard, '{"status": "x", "seconds": NaN}', "seconds must be a finite number"),
        (RunCard, '{"status": "x", "seconds": true}', "seconds must be number"),
        (RunCard, '{"status": "x", "seed": 1.5}', "seed must be integer"),
        (RunCard, '{"status": "x", "seed": -1}', "seed must be greater than or equal to 0"),
        (RunCard, '{"status": "x", "git": "a"}', "git must be dictionary"),
        (RunCard, '{"status": "x", "sessions": [1]}', "sessions.0 must be dictionary"),
        (RunCard, '{"status": "x", "command": [1]}', "command.0 must be string"),
        (RunCard, '{"status": "\\ud800"}', "surrogates not allowed"),
        (RunCard, "[" * 100_000, "nested too deeply"),
        (RunCard, '{"status": "x", "more": %s}' % ("9" * 5000), "limit"),
        (RunCard, '{"status": "x", "overrides": {"\\u001b": 1}}', r"overrides.\\x1b must be"),
        (Failure, '{"overrides": {}, "status": "x"}', "error is missing"),
        (Results, json.dumps({**RESULTS, "val": {"loss": 10**400}}), "val.loss must be number"),
        (Results, json.dumps({**RESULTS, "steps": 10**30}), "steps must be less than"),
        (Results, json.dumps({**RESULTS, "breakdown": {"x": [1]}}), "breakdown.x must be"),
    ],
)
def test_json_that_is_not_what_was_written_is_damaged(tmp_path, kind, content, why):
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(Damaged, match=why) as caught:
        read_json(path, kind)
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300 + len(str(path))


def test_bytes_that_are_no_text_are_damaged(tmp_path):
    (tmp_path / "x").write_bytes(b'{"status": "\xff"}')
    with pytest.raises(Damaged, match="it is not UTF-8"):
        read_json(tmp_path / "x", RunCard)


def test_fields_that_nobody_declared_may_hold_anything(tmp_path):
    card = {"status": "x", "own": [1, {"a": None}], "git": None, "seconds": 3}
    (tmp_path / "x").write_text(json.dumps(card), encoding="utf-8")
    assert read_json(tmp_path / "x", RunCard) == card


def test_a_metric_may_be_nan(tmp_path):
    results = {**RESULTS, "val": {"loss": float("nan"), "perplexity": float("inf")}}
    (tmp_path / "x").write_text(json.dumps(results), encoding="utf-8")
    assert str(read_json(tmp_path / "x", Results)) == str(results)
