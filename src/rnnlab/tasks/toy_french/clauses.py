"""All clauses of the grammar, their splits, and random sentences of them."""

import functools
import zlib
from itertools import product
from typing import NamedTuple

import numpy as np

from rnnlab.spec import SPLITS, Split
from rnnlab.tasks.splits import mix, split_of
from rnnlab.tasks.toy_french.grammar import (
    NUM_AGREEMENTS,
    elides,
    noun_phrase,
    predicate,
    verb_phrase,
)
from rnnlab.tasks.toy_french.lexicon import ADJECTIVES, DETERMINERS, NOUNS, PRONOUNS, VERBS

_PRONOUN_SHARE = 0.25
_NEGATED_SHARE = 0.3
_CONNECTIVES = (
    (("and", "et"), ("and", "et")),
    (("but", "mais"), ("but", "mais")),
    (("because", "parce que"), ("because", "parce qu'")),
)
_FEW = 12  # a kind with fewer contents in a split is drawn less often there, in proportion


class Contents(NamedTuple):
    """The contents of the clauses of one split, ordered by kind of clause.

    Attributes:
        rows: `(n, 3)` subject, verb, object.
        starts: index of the first row of each kind.
        sizes: number of rows of each kind.
        shares: cumulative probabilities of the kinds.
    """

    rows: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    shares: np.ndarray


class Clauses:
    """All clauses, as indices of phrases in English and French.

    The content of a clause is its subject (a noun with or without an adjective, or a pronoun), its
    verb or `be` with an adjective, and its object. A fixed hash of the content chooses the split,
    so that a content of test doesn't occur in train in any number, tense, determiner or negation.
    Only clauses of `I` or `we` with a verb and no object are all in train, since their verb forms
    occur nowhere else.

    Attributes:
        phrases: pairs of texts; phrase 0 is empty.
        parts: the phrases that can be connective, subject, verb and object of a clause.
        contents: the contents of each split.
        agreement: `(subjects, 2)`, the agreement of each subject, singular and plural.
    """

    def __init__(self) -> None:
        self.phrases: list[tuple[str, str]] = [("", "")]
        self._nominals = [(noun, None) for noun in NOUNS] + [
            (noun, adjective)
            for noun, adjective in product(NOUNS, ADJECTIVES)
            if noun.kind in adjective.kinds.split()
        ]
        # Subjects are all noun phrases, then the pronouns; the last object is no object.
        nominal = self._nominal_phrases()
        pronouns = [self._add((english, french)) for english, french, _ in PRONOUNS]
        shape = (len(PRONOUNS), *nominal.shape[1:3])
        pronominal = np.broadcast_to(np.array(pronouns)[:, None, None], shape)
        self._subject = np.concatenate([nominal[..., 0], pronominal])
        self._object = np.concatenate([nominal, np.zeros_like(nominal[:1])])
        self.agreement = np.array(
            [[1 + noun.gender, 4 + noun.gender] for noun, _ in self._nominals]
            + [[agreement] * 2 for _, _, agreement in PRONOUNS]
        )
        self._first_person = np.isin(self.agreement[:, 0], (0, 3))  # I, we
        self._verb = self._verb_phrases()
        self._connective = np.array([[self._add(pair) for pair in pairs] for pairs in _CONNECTIVES])
        self.parts = (self._connective, self._subject, self._verb, self._object)
        self._elides = np.array([elides(french) for _, french in self.phrases])
        self.contents = self._split_contents()

    def draw(self, rng: np.random.Generator, split: Split, counts: np.ndarray) -> np.ndarray:
        """Draw sentences of `counts` `(B,)` clauses -> phrase indices `(B, 4 * most clauses)`."""
        shape = (len(counts), int(counts.max()))
        rows, starts, sizes, shares = self.contents[split]
        kind = np.searchsorted(shares, rng.random(shape), side="right")
        row = starts[kind] + (rng.random(shape) * sizes[kind]).astype(np.int64)
        subject, verb, thing = rows[row].transpose(2, 0, 1)
        number, object_number, past = rng.integers(2, size=(3, *shape))
        determiner, object_determiner = rng.integers(len(DETERMINERS), size=(2, *shape))
        negated = (rng.random(shape) < _NEGATED_SHARE).astype(np.int64)
        parts = np.zeros((*shape, len(self.parts)), dtype=np.int64)
        parts[:, :, 1] = self._subject[subject, determiner, number]
        parts[:, :, 2] = self._verb[verb, past, negated, self.agreement[subject, number]]
        parts[:, :, 3] = self._object[thing, object_determiner, object_number, negated]
        choice = rng.integers(len(_CONNECTIVES), size=shape)
        parts[:, 1:, 0] = self._connective[choice, self._elides[parts[:, :, 1]].astype(int)][:, 1:]
        parts[np.arange(shape[1]) >= counts[:, None]] = 0
        return parts.reshape(shape[0], -1)

    def _add(self, phrase: tuple[str, str]) -> int:
        self.phrases.append(phrase)
        return len(self.phrases) - 1

    def _nominal_phrases(self) -> np.ndarray:
        """Add noun phrases; index them by (noun, determiner, plural, object of a negated verb)."""
        forms = list(product(range(len(DETERMINERS)), (False, True), (False, True)))
        phrases = [
            self._add(noun_phrase(noun, adjective, *form))
            for noun, adjective in self._nominals
            for form in forms
        ]
        return np.array(phrases).reshape(len(self._nominals), len(DETERMINERS), 2, 2)

    def _verb_phrases(self) -> np.ndarray:
        """Add verb phrases; index them by (verb or adjective, past, negated, agreement)."""
        forms = list(product((False, True), (False, True), range(NUM_AGREEMENTS)))
        phrases = [self._add(verb_phrase(verb, *form)) for verb in VERBS for form in forms]
        phrases += [self._add(predicate(a, *form)) for a in ADJECTIVES for form in forms]
        return np.array(phrases).reshape(-1, 2, 2, NUM_AGREEMENTS)

    def _split_contents(self) -> dict[Split, Contents]:
        """Divide all contents by their hash; the kinds with nouns as subject come first."""
        names = [f"{noun.english} {a.english if a else ''}" for noun, a in self._nominals]
        subjects = _keys([*names, *(english for english, _, _ in PRONOUNS)])
        verbs = _keys([v.english[0] for v in VERBS] + [f"be {a.english}" for a in ADJECTIVES])
        objects = _keys([*names, ""])
        kinds = [*self._contents_with(pronoun=False), *self._contents_with(pronoun=True)]
        splits = []
        for contents in kinds:
            subject, verb, thing = contents.T
            # Different factors distinguish `a sees b` from `b sees a`.
            three, five = np.uint64(3), np.uint64(5)
            split_index = split_of(subjects[subject] + three * verbs[verb] + five * objects[thing])
            # `we leave` is the only content with `partons`: tests must not have unseen words.
            alone = (
                self._first_person[subject] & (verb < len(VERBS)) & (thing == len(self._nominals))
            )
            splits.append(np.where(alone, 0, split_index))
        result: dict[Split, Contents] = {}
        for i, split in enumerate(SPLITS):
            own = [kind[index == i] for kind, index in zip(kinds, splits, strict=True)]
            sizes = np.array([len(kind) for kind in own])
            shares = np.repeat([1 - _PRONOUN_SHARE, _PRONOUN_SHARE], 3) * np.minimum(sizes, _FEW)
            result[split] = Contents(
                np.concatenate(own),
                np.cumsum(sizes) - sizes,
                sizes,
                np.cumsum(shares / shares.sum())[:-1],
            )
        return result

    def _contents_with(self, *, pronoun: bool) -> list[np.ndarray]:
        """Return all contents `(n, 3)` of three kinds: adjective, verb, verb with object."""
        nouns = len(self._nominals)
        pronouns = list(range(nouns, nouns + len(PRONOUNS)))
        actors = pronouns if pronoun else self._nominals_of("person animal")
        of_adjectives, of_verbs, with_objects = [], [], []
        for i, adjective in enumerate(ADJECTIVES):
            if not pronoun:  # without `the red cat is red`
                able = [
                    j
                    for j in self._nominals_of(adjective.kinds)
                    if self._nominals[j][1] != adjective
                ]
            else:
                able = pronouns if "person" in adjective.kinds.split() else []
            of_adjectives.append(_cross(able, len(VERBS) + i, [nouns]))
        for i, verb in enumerate(VERBS):
            if verb.kinds:
                with_objects.append(_cross(actors, i, self._nominals_of(verb.kinds)))
            else:
                of_verbs.append(_cross(actors, i, [nouns]))
        return [np.concatenate(kind) for kind in (of_adjectives, of_verbs, with_objects)]

    def _nominals_of(self, kinds: str) -> list[int]:
        return [i for i, (noun, _) in enumerate(self._nominals) if noun.kind in kinds.split()]


@functools.cache
def clauses() -> Clauses:
    """Return the clauses of the grammar, computed once."""
    return Clauses()


def _cross(subjects: list[int], verb: int, objects: list[int]) -> np.ndarray:
    """Return all combinations (subject, verb, object), `(n, 3)`."""
    grid = np.meshgrid(subjects, [verb], objects, indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 3).astype(np.int64)


def _keys(names: list[str]) -> np.ndarray:
    """Return a uint64 key for each name, independent of the other names."""
    return mix(np.array([zlib.crc32(name.encode()) for name in names], dtype=np.uint64))
