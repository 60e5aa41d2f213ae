"""Sentences of two or three words, run together, whose words belong to classes."""

from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean
from rnnlab.tasks.coded_text import CodedText, Ids

_AGGRESSORS, _FRAGILE, _FOOD = (
    ("dragon", "monster", "lion"),
    ("glass", "plate"),
    ("cookie", "bread", "sandwich"),
)
NOUNS = {
    "human": ("man", "woman", "boy", "girl"),
    "animal": ("cat", "mouse", "dog", *_AGGRESSORS),
    "aggressor": _AGGRESSORS,
    "thing": ("book", "rock", "car", *_FRAGILE, *_FOOD),
    "fragile": _FRAGILE,
    "food": _FOOD,
}
VERBS = {
    "intransitive": ("think", "sleep", "exist"),
    "transitive": ("see", "chase", "like"),
    "moving": ("move", "break"),
    "perceiving": ("smell", "see"),
    "destroying": ("break", "smash"),
    "eating": ("eat",),
}
_CLASSES = NOUNS | VERBS
_TEMPLATES = [
    template.split()
    for template in (
        "human eating food",
        "human perceiving thing",
        "human destroying fragile",
        "human intransitive",
        "human transitive human",
        "human moving thing",
        "human moving",
        "animal eating food",
        "animal transitive animal",
        "animal moving thing",
        "animal moving",
        "thing moving",
        "aggressor destroying fragile",
        "aggressor eating human",
        "aggressor eating animal",
        "aggressor eating food",
    )
]
WORDS = [*dict.fromkeys(word for members in _CLASSES.values() for word in members)]
_IDS = {word: number for number, word in enumerate(WORDS)}
_NUM_NOUNS = len(set().union(*NOUNS.values()))  # the first words
_BEFORE = 3  # words from which what can come next follows


@stackable(carries=True)
class Sentences(CodedText):
    """Sentences: predict the next word, of which the class can be known.

    Elman (1990), Finding structure in time, section on lexical classes. A sentence is one of 16
    templates, such as human + eating + food, with a word drawn for each class; sentences run
    together without a mark between them:

        words    man break glass dog move mouse move rock
        target   break glass dog move mouse move rock .
        verb     x               x          x

    The paper shows some members of each class; its 29 words are distributed here by what they mean.
    A word is 29 numbers, of which one is 1; the error is squared, so that the best outputs are the
    probabilities of the words. These are known: the last three words determine them.

    Metrics, beside the errors on nouns and on verbs: `loss_likelihood`, the mean square of
    the differences between outputs and probabilities, and `cosine`, of the angle between both. Both
    leave out the first two words of a window, whose past is in another. See `CodedText` for streams
    and windows.

    Args:
        size: sentences of a text.
        length: words of a window, after which weights are updated.
        shuffled: whether the words are put in random order, the control.
    """

    higher_is_better: ClassVar = {
        **CodedText.higher_is_better,
        "loss_nouns": False,
        "loss_verbs": False,
        "loss_likelihood": False,
        "cosine": True,
    }

    def __init__(
        self, layout: Layout, seed: int, *, size: PositiveInt, length: PositiveInt, shuffled: bool
    ) -> None:
        codes = {
            word: tuple(row) for word, row in zip(WORDS, np.eye(len(WORDS)).tolist(), strict=True)
        }
        super().__init__(layout, seed, codes=codes, size=size, window=length, shuffled=shuffled)
        if shuffled:
            train = np.bincount(self.texts["train"], minlength=len(WORDS))
            shares = torch.from_numpy(train / train.sum()).float()
            self._likelihood = shares.expand(*[len(WORDS)] * _BEFORE, -1)
        else:
            self._likelihood = _likelihood()

    def text(self, rng: np.random.Generator, size: int) -> Ids:
        """Draw templates, and a word for each of their classes."""
        drawn = rng.integers(len(_TEMPLATES), size=size)
        classes = [name for number in drawn for name in _TEMPLATES[number]]
        numbers = rng.random(len(classes))
        members = (_CLASSES[name] for name in classes)
        words = (own[int(x * len(own))] for own, x in zip(members, numbers, strict=True))
        return np.array([_IDS[word] for word in words])

    def classes(self, batch: Batch) -> dict[str, Tensor]:
        """Return which targets are nouns and which verbs."""
        noun = batch.target[..., :_NUM_NOUNS].sum(dim=2) > 0.5
        return {"nouns": noun, "verbs": ~noun}

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add distance and angle between the outputs and the probabilities of the words."""
        scores = super().metrics(output, batch)
        truth, known = self.likelihood(batch)
        here = known & batch.mask
        found = {
            "loss_likelihood": (output - truth).square().mean(dim=2),
            "cosine": F.cosine_similarity(output, truth, dim=2),
        }
        for name, values in found.items():
            scores[name] = Mean((values * here).sum() / here.sum(), here.sum())
        return scores

    def likelihood(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the probabilities `(B, T, V)` of the next words, and `(T,)` where they are known.

        They are where the window has all words that they follow from.
        """
        words = batch.input
        if batch.source is not None:
            words = torch.cat([batch.source, words[:, 1:]], dim=1)
        ids = F.pad(words.argmax(dim=2), (_BEFORE - 1, 0))
        last = ids.unfold(1, _BEFORE, 1).unbind(2)  # three of (B, T), the newest last
        known = torch.arange(words.shape[1], device=ids.device) >= _BEFORE - 1
        steps = batch.mask.shape[1]
        truth = self._likelihood.to(ids.device)[last][:, -steps:]
        return truth, known[-steps:]


@cache
def _likelihood() -> Tensor:
    """Return the probability of a word after three others, `(V, V, V, V)`; 0 after impossible ones.

    By adding up all ways through the templates, from any of their S places with equal probability.
    """
    places = [name for template in _TEMPLATES for name in template]
    writes = np.array([[word in _CLASSES[name] for word in WORDS] for name in places])
    writes = writes / writes.sum(axis=1, keepdims=True)  # (S, V)
    lengths = np.array([len(template) for template in _TEMPLATES])
    last = lengths.cumsum() - 1
    goes = np.eye(len(places), k=1)  # (S, S)
    goes[last] = 0
    goes[np.ix_(last, last + 1 - lengths)] = 1 / len(_TEMPLATES)
    joint = writes / len(places)  # of the place of the last word, and all words so far
    for _ in range(_BEFORE - 1):
        joint = np.einsum("s...,st,tv->t...v", joint, goes, writes, optimize=True)
    chances = np.einsum("s...,sv->...v", joint, goes @ writes, optimize=True)
    before = chances.sum(axis=-1, keepdims=True)
    return torch.from_numpy(chances / np.where(before > 0, before, 1)).float()
