"""Speech from formulas: words, speakers, tempi, tracks."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from rnnlab.spec import Layout, Split
from rnnlab.tasks import Speech
from rnnlab.tasks.formants import SPEAKERS, VOWELS


def speech(layout: Layout = "encoder_decoder", noise: float = 0.0) -> Speech:
    return Speech(layout, 0, length=6, noise=noise)


class Still:
    """A generator of random numbers that are all 0."""

    def normal(self, *_: float, size: tuple[int, ...]) -> np.ndarray:
        return np.zeros(size)


def words(split: Split) -> set[str]:
    task = speech()
    made = (task.sample(split, index, 64) for index in range(8))
    return {
        task.decode(ids[mask].tolist())
        for batch in made
        for ids, mask in zip(batch.target, batch.mask, strict=True)
    }


def test_words_of_test_are_not_in_train_and_vowels_and_consonants_take_turns() -> None:
    train, test = words("train"), words("test")
    assert not train & test
    assert {len(word) for word in train | test} == {2, 3, 4, 5, 6}
    for word in train | test:
        vowel = [letter in VOWELS for letter in word]
        assert all(one != other for one, other in pairwise(vowel)), word


def test_no_speaker_is_in_two_splits() -> None:
    everyone = [speaker for split in SPEAKERS.values() for speaker in split]
    assert sorted(everyone) == list(range(100))


def test_tracks_of_a_tempo_and_a_speaker() -> None:
    task = speech()
    said, lengths = np.array([[0, 8, -1], [0, 8, 2]]), np.array([2, 3])  # `ak`, `aki`
    still: Any = Still()
    for tempo, frames in ((1.0, [10, 16]), (0.5, [5, 8])):
        tempi = np.full(2, tempo)
        tracks, found = task.formants.tracks(still, said, lengths, np.array([0, 0]), tempi)
        assert found.tolist() == frames
        assert tracks.shape == (2, max(frames), 5)
        assert not tracks[0, frames[0] :].any()
        assert np.array_equal(tracks[0, : frames[0]], tracks[1, : frames[0]])
    other, _ = task.formants.tracks(still, said, lengths, np.array([1, 1]), tempi)
    assert np.ptp(other[0, :3, 3] - tracks[0, :3, 3]) == 0  # voice has no accent
    assert (other[0, :3, :3] != tracks[0, :3, :3]).all()


def test_both_layouts_hear_the_same() -> None:
    cut, stream = speech().sample("test", 0, 5), speech("stream").sample("test", 0, 5)
    assert cut.source is not None
    for row in range(5):
        task = speech()
        heard = [task.vectors(batch, row) for batch in (cut, stream)]
        assert np.array_equal(*heard)
        asked = [batch.target[row][batch.mask[row]] for batch in (cut, stream)]
        assert torch.equal(*asked)
    assert speech().labels(cut.source[0])[:2] == ["0", "1"]


def test_a_right_answer_has_no_error_and_is_shown() -> None:
    task = speech(noise=0.1)
    batch = task.sample("test", 0, 4, length=5)
    assert batch.mask.sum(1).tolist() == [6] * 4
    right, scorer = F.one_hot(batch.target, len(task.symbols)).float(), task.scorer()
    scorer.update(right, batch)
    assert scorer.compute()["character_error"] == 0
    wrong = right.clone()
    wrong[0, 0] = wrong[0, 0].roll(1)
    scorer.update(wrong, batch)
    assert scorer.compute()["character_error"] == pytest.approx(1 / 40)
    assert isinstance(task.show(batch, wrong), Image.Image)
    assert 0.4 < task.floor["character_error_nearest_neighbour"] < 0.8
