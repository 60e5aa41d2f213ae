"""Sentences: which there are, and how likely each next word is."""

from typing import Any

import numpy as np
import pytest
import torch

from rnnlab.spec import Layout
from rnnlab.tasks import Sentences
from rnnlab.tasks.sentences import WORDS

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]
HUMAN, ANIMAL = (
    {"man", "woman", "boy", "girl"},
    {"cat", "mouse", "dog", "dragon", "monster", "lion"},
)
VERBS = {*"think sleep exist see chase like move break smell smash eat".split()}  # noqa: SIM905
THINGS = {*WORDS} - HUMAN - ANIMAL - VERBS


def make(layout: Layout = "stream", **settings: Any) -> Sentences:
    return Sentences(layout, 0, **{"size": 3000, "length": 12, "shuffled": False} | settings)


def text(task: Sentences) -> list[str]:
    return [WORDS[i] for i in task.texts["train"]]


def chances(task: Sentences, *before: str) -> dict[str, float]:
    """Return the words that can come after three others, each with its probability."""
    ids = tuple(WORDS.index(word) for word in before)
    row = task._likelihood[ids].tolist()
    return {word: chance for word, chance in zip(WORDS, row, strict=True) if chance > 0}


def test_verbs_stand_second_in_sentences_of_two_or_three_words() -> None:
    words = text(make())
    assert {*words} == {*WORDS}
    verbs = np.flatnonzero([word in VERBS for word in words])
    assert verbs[0] == 1
    assert {*np.diff(verbs).tolist()} == {2, 3}
    assert len(words) == pytest.approx(2.75 * 3000, rel=0.02)


def test_the_class_of_a_word_says_what_can_come_next() -> None:
    """A lion stands in the templates of animals, one of 6, and of aggressors, one of 3."""
    task = make()
    nouns = HUMAN | ANIMAL | THINGS
    hunts = {"eat": 7 / 12, "break": 1 / 6, "smash": 1 / 12, "move": 1 / 12}
    hunts |= dict.fromkeys(["see", "chase", "like"], 1 / 36)
    assert chances(task, "man", "think", "lion") == pytest.approx(hunts)
    assert chances(task, "car", "dragon", "smash") == pytest.approx({"glass": 0.5, "plate": 0.5})
    assert {*chances(task, "dragon", "smash", "glass")} == nouns
    assert {*chances(task, "man", "move", "book")} == nouns | {"move", "break"}
    assert not chances(task, "think", "sleep", "eat")


def test_the_probabilities_are_the_shares_in_a_long_text() -> None:
    task = make(size=60_000)
    last = torch.from_numpy(task.texts["train"]).unfold(0, 4, 1)
    here = (last[:, 1] == WORDS.index("man")) & (last[:, 2] == WORDS.index("move"))
    counts = torch.bincount(last[here, 3], minlength=len(WORDS)).double()
    due = task._likelihood[tuple(last[here, :3].T)].mean(0)
    assert (counts / counts.sum()).tolist() == pytest.approx(due.tolist(), abs=0.03)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_true_probabilities_have_no_distance_and_no_angle(layout: Layout) -> None:
    task = make(layout)
    batch = task.sample("test", 3, 4)
    likelihood, known = task.likelihood(batch)
    assert likelihood.sum(2)[:, known].numpy() == pytest.approx(1)
    assert (likelihood[batch.target > 0] > 0)[known.repeat(4)].all()
    scores = {name: float(mean.value) for name, mean in task.metrics(likelihood, batch).items()}
    assert scores["cosine"] == pytest.approx(1)
    assert scores["loss_likelihood"] == 0
    assert scores["loss"] == pytest.approx(float((likelihood - batch.target).square().mean()))
    assert known.tolist() == ([False, False] + 10 * [True] if layout == "stream" else 7 * [True])


def test_both_layouts_know_the_same_probabilities() -> None:
    stream, cut = (make(layout) for layout in LAYOUTS)
    one, other = (task.likelihood(task.sample("test", 1, 2))[0] for task in (stream, cut))
    assert torch.equal(one[:, -7:], other)


def test_of_shuffled_words_only_how_often_they_come_is_known() -> None:
    task = make(shuffled=True)
    assert sorted(text(task)) == sorted(text(make()))
    likelihood, _ = task.likelihood(task.sample("test", 0, 2))
    assert likelihood.flatten(0, 1).unique(dim=0).shape[0] == 1
    assert task.floor["cosine"] > 0.95 > 0.9 > make().floor["cosine"]


def test_nouns_and_verbs_are_scored_apart_and_words_are_shown() -> None:
    task = make()
    batch = task.sample("test", 0, 1)
    output = batch.target.clone()
    verbs = [word in VERBS for word in task.labels(batch.target[0])]
    output[0, verbs] = 0
    scores = {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}
    assert scores["loss_nouns"] == 0
    assert scores["loss_verbs"] == pytest.approx(1 / 29)
    words, errors = task.show(batch, output).splitlines()
    assert words.split()[1:] == task.labels(batch.target[0])
    assert errors.split()[1:] == [".19" if verb else ".00" for verb in verbs]
