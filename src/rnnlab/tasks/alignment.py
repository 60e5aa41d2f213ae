"""Alignment of the letters of words with their phonemes: none, one or two to a letter."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SILENT, JOINT = "_", "+"
_ROUNDS = 5
_NONE, _TWO = 0.1, 0.01  # of the first round: the share of silent letters and of letters with two
_LEAST = (1e-2, 1e-3, 1e-6)  # counts that any alignment begins with, of none, one and two phonemes


class _Nats(NamedTuple):
    """Log-probabilities of what a letter stands for.

    Attributes:
        none: `(A,)`, nothing.
        one: `(A, P)`, a phoneme.
        two: `(A, P, P)`, two.
    """

    none: np.ndarray
    one: np.ndarray
    two: np.ndarray


class _Group(NamedTuple):
    """The words with the same numbers of letters L and phonemes P.

    Attributes:
        rows: `(n,)`, which words.
        letters: `(L, n)` ids.
        phonemes: `(P, n)` ids.
    """

    rows: list[int]
    letters: np.ndarray
    phonemes: np.ndarray


def align(words: Sequence[tuple[str, Sequence[str]]]) -> list[list[str]]:
    """Return for each letter of each word `_`, a phoneme, or two with `+` between.

    `x` in `box` is `K+S`, and the `e` of `name` is silent. What letters stand for is counted in
    the likeliest alignment of each word, and these are found anew by the counts (hard expectation
    maximisation, or Viterbi training); at first phonemes go with the letters that stand about as
    far in the word.

    Args:
        words: letters, and at most two phonemes a letter.
    """
    letters = {letter: i for i, letter in enumerate(sorted({a for word, _ in words for a in word}))}
    names = sorted({phoneme for _, phonemes in words for phoneme in phonemes})
    ids = {phoneme: i for i, phoneme in enumerate(names)}
    groups = _grouped(words, letters, ids)
    nats = _first_guess(groups, len(letters), len(names))
    for _ in range(_ROUNDS):
        nats = _counted(groups, [_best(group, nats) for group in groups], nats)
    aligned: list[list[str]] = [[] for _ in words]
    for group in groups:
        for row, taken in zip(group.rows, _best(group, nats).T, strict=True):
            phonemes, ends = words[row][1], np.cumsum(taken)
            aligned[row] = [
                JOINT.join(phonemes[end - count : end]) or SILENT
                for count, end in zip(taken, ends, strict=True)
            ]
    return aligned


def _grouped(
    words: Sequence[tuple[str, Sequence[str]]], letters: dict[str, int], ids: dict[str, int]
) -> list[_Group]:
    rows_of = defaultdict(list)
    for row, (word, phonemes) in enumerate(words):
        rows_of[len(word), len(phonemes)].append(row)
    return [
        _Group(
            rows,
            np.array([[letters[letter] for letter in words[row][0]] for row in rows]).T,
            np.array([[ids[phoneme] for phoneme in words[row][1]] for row in rows]).T,
        )
        for rows in rows_of.values()
    ]


def _first_guess(groups: list[_Group], num_letters: int, num_phonemes: int) -> _Nats:
    """Weigh each letter and phoneme of a word by how near their places in it are."""
    near = np.full((num_letters, num_phonemes), _LEAST[1])
    for group in groups:
        length, sounds = len(group.letters), len(group.phonemes)
        for i in range(length):
            for j in range(sounds):
                apart = abs((i + 0.5) / length - (j + 0.5) / sounds) * max(length, sounds)
                np.add.at(near, (group.letters[i], group.phonemes[j]), np.exp(-apart))
    one = np.log(near / near.sum(1, keepdims=True))
    two = np.log(_TWO) + one[:, :, None] + one[:, None, :]
    return _Nats(np.full(num_letters, np.log(_NONE)), one, two)


def _best(group: _Group, nats: _Nats) -> np.ndarray:
    """Return how many phonemes each letter takes in the likeliest alignment, `(L, n)`."""
    letters, phonemes = group.letters, group.phonemes
    count = letters.shape[1]
    scores = np.full((len(phonemes) + 1, count), -np.inf)  # by the phonemes taken so far
    scores[0] = 0
    choices = np.empty((len(letters), *scores.shape), dtype=np.int64)
    for i, letter in enumerate(letters):
        options = np.full((3, *scores.shape), -np.inf)
        options[0] = scores + nats.none[letter]
        options[1, 1:] = scores[:-1] + nats.one[letter, phonemes]
        options[2, 2:] = scores[:-2] + nats.two[letter, phonemes[:-1], phonemes[1:]]
        choices[i], scores = options.argmax(0), options.max(0)
    taken = np.empty_like(letters)
    left = np.full(count, len(phonemes))
    for i in reversed(range(len(letters))):
        taken[i] = choices[i, left, np.arange(count)]
        left -= taken[i]
    return taken


def _counted(groups: list[_Group], alignments: list[np.ndarray], nats: _Nats) -> _Nats:
    """Return the log-probabilities that alignments tell."""
    none, one, two = (np.full_like(part, least) for part, least in zip(nats, _LEAST, strict=True))
    for group, taken in zip(groups, alignments, strict=True):
        ends = taken.cumsum(0)
        for i, letter in enumerate(group.letters):
            np.add.at(none, letter[taken[i] == 0], 1)
            (row,) = np.nonzero(taken[i] == 1)
            np.add.at(one, (letter[row], group.phonemes[ends[i, row] - 1, row]), 1)
            (row,) = np.nonzero(taken[i] == 2)
            sounds = (group.phonemes[ends[i, row] - back, row] for back in (2, 1))
            np.add.at(two, (letter[row], *sounds), 1)
    total = none + one.sum(1) + two.sum((1, 2))
    return _Nats(
        np.log(none / total), np.log(one / total[:, None]), np.log(two / total[:, None, None])
    )
