"""SCAN: its grammar, its published numbers, and its splits."""

from typing import Any

import pytest

from rnnlab.errors import ConfigError
from rnnlab.tasks.scan import Scan, _split, commands


def make(by: Any = "simple") -> Scan:
    return Scan("encoder_decoder", 0, by=by)


@pytest.mark.parametrize(
    ("words", "actions"),
    [  # examples of Lake and Baroni (2018), figure 1
        ("jump", "I_JUMP"),
        ("jump left", "I_TURN_LEFT I_JUMP"),
        ("jump around right", "I_TURN_RIGHT I_JUMP " * 4),
        ("turn left twice", "I_TURN_LEFT I_TURN_LEFT"),
        ("jump thrice", "I_JUMP I_JUMP I_JUMP"),
        ("jump opposite left and walk thrice", "I_TURN_LEFT I_TURN_LEFT I_JUMP " + "I_WALK " * 3),
        (
            "jump opposite left after walk around left",
            "I_TURN_LEFT I_WALK " * 4 + "I_TURN_LEFT I_TURN_LEFT I_JUMP",
        ),
    ],
)
def test_commands_are_followed_as_published(words: str, actions: str) -> None:
    assert dict(commands())[words] == actions.split()


@pytest.mark.parametrize(("by", "tested"), [("simple", 4182), ("length", 3920), ("jump", 7706)])
def test_splits_have_the_published_sizes_and_share_nothing(by: str, tested: int) -> None:
    parts = [set(part.tolist()) for part in _split(by).values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(commands()) == 20910
    assert len(parts[2]) == tested


def test_the_split_by_length_trains_on_short_ones() -> None:
    lengths = {
        split: {len(commands()[i][1]) for i in part} for split, part in _split("length").items()
    }
    assert max(lengths["train"] | lengths["val"]) == 22
    assert (min(lengths["test"]), max(lengths["test"])) == (24, 48)


def test_jump_is_trained_alone_in_a_tenth_of_all_draws() -> None:
    task = make("jump")
    batch = task.sample("train", 0, 2000)
    texts = [task.source_text(batch, row) for row in range(2000)]
    assert {text for text in texts if "jump" in text} == {"jump"}
    assert texts.count("jump") == pytest.approx(200, abs=50)


def test_every_command_of_test_is_asked_once() -> None:
    task = make()
    count = task.num_batches("test", 1000)
    assert count == 5
    batches = [task.sample("test", index, 1000) for index in range(count)]
    texts = {task.source_text(batch, row) for batch in batches for row in range(len(batch.mask))}
    assert len(texts) == 4182
    assert task.num_batches("train", 10) is None


def test_a_command_is_prompted() -> None:
    task = make()
    assert task.source_text(task.prompt("walk and run", 1, None), 0) == "walk and run"
    with pytest.raises(ConfigError, match="did you mean 'walk'"):
        task.prompt("wallk", 1, None)
    with pytest.raises(ConfigError, match="length can't be chosen"):
        task.sample("train", 0, 2, length=3)
