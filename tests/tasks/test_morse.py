"""Morse code: the alphabet, what is answered at which step, and lessons."""

import pytest
import torch
from torch.nn import functional as F

from rnnlab.spec import Batch, Layout
from rnnlab.tasks import Morse

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]
SPACED = "1 0 1 1 0 1 1 0 1 1 0 0"  # of J: dot dash dash dash


def letters(task: Morse, batch: Batch) -> list[str]:
    """Return the letter that each row says at its last step, after none at the others."""
    found = []
    for target, mask in zip(batch.target, batch.mask, strict=True):
        *before, last = task.answer_labels(target[mask])
        assert set(before) == {"."}
        found.append(last)
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_twenty_six_rows_are_the_alphabet_in_another_order_each_time(layout: Layout) -> None:
    task = Morse(layout, 0, length=4)
    one, other = (letters(task, task.sample("train", index, 26)) for index in range(2))
    assert one != other
    assert sorted(one) == sorted(other) == [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    more = letters(task, task.sample("train", 0, 60))
    assert {more.count(letter) for letter in one} == {2, 3}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_letter_is_its_dots_and_dashes_and_one_more_zero(layout: Layout) -> None:
    task = Morse(layout, 0, length=4)
    batch = task.sample("test", 0, 26)
    row = letters(task, batch).index("J")
    read = batch.input if batch.source is None else batch.source
    known = batch.mask if batch.source_mask is None else batch.source_mask
    assert " ".join(task.labels(read[row][known[row]])) == SPACED
    assert known.sum() == 228  # with the international code
    assert not read[~known].any()
    assert {int(n) for n in known.sum(1)} == {3, 4, 5, 6, 7, 8, 9, 10, 11, 12}


def test_letters_are_no_two_alike() -> None:
    batch = Morse("stream", 0, length=4).sample("test", 0, 26)
    assert len(batch.input.unique(dim=0)) == 26


@pytest.mark.parametrize("lesson", [1, 2, 3])
def test_lessons_are_of_the_letters_with_fewer_dots_and_dashes(lesson: int) -> None:
    own = {1: "ET", 2: "EIMANT", 3: "EIMANTDGKORSUW"}[lesson]
    task = Morse("stream", 0, length=4)
    batch = task.sample("train", 0, 2 * len(own), length=lesson)
    assert sorted(letters(task, batch)) == sorted(2 * own)
    assert batch.mask.shape[1] == task.longest(lesson)
    alone = Morse("stream", 0, length=lesson).sample("train", 0, 2 * len(own))
    assert torch.equal(alone.target, batch.target)


def test_the_floor_of_e_and_t_guesses_after_each_zero() -> None:
    """E is 1 0 0 and T is 1 1 0 0: after 0 comes nothing two times of four, else E or T."""
    floor = Morse("stream", 0, length=1).floor
    assert floor["accuracy"] == pytest.approx(5 / 7)
    entropy = -(0.5 * torch.tensor(0.5).log() + 2 * 0.25 * torch.tensor(0.25).log())
    assert floor["loss"] == pytest.approx(4 / 7 * float(entropy))


def test_wrong_answers_are_shown_below_the_right_ones() -> None:
    task = Morse("stream", 0, length=1)
    batch = task.sample("test", 0, 2)
    output = F.one_hot(batch.target, 27).float()
    wrong = letters(task, batch).index("E")
    output[wrong, 2] = torch.eye(27)[20]
    blocks = task.show(batch, output).split("\n\n")
    assert blocks[wrong] == "input   1 0 0\ntarget  . . E\nanswer  . . T"
    assert blocks[1 - wrong] == "input   1 1 0 0\ntarget  . . . T"
