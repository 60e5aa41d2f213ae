"""Translation: English to French by a toy grammar, messages of programs, or pairs from a file."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Len
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.ranges import DataFile, PositiveInt
from rnnlab.spec import Batch, Layout, Split
from rnnlab.stackable import stackable
from rnnlab.tasks.catalogues import Catalogues
from rnnlab.tasks.classifiers import nearest_text
from rnnlab.tasks.corpus import TextFiles
from rnnlab.tasks.file_task import FileTask, StoredSymbols
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.pairs import Numbering, Pool, read_pairs
from rnnlab.tasks.rows import Rows
from rnnlab.tasks.text_scores import bleu, have_bleu, text_scores
from rnnlab.tasks.toy_french.clauses import clauses
from rnnlab.tasks.transduction import (
    Pairs,
    TextTransduction,
    Transduction,
    TransductionScorer,
)
from rnnlab.tasks.vocabulary import UNKNOWN, choose_symbols, unseen_symbols
from rnnlab.tasks.words import cut_words, join_words

Project = Annotated[str, Len(1)]
Projects = Annotated[list[Project], Len(1)]

# Most pairs for the nearest neighbour.
_COMPARED: Mapping[Split, int] = {"train": 50000, "test": 2500}
_APOSTROPHES = ("'", "\u2019")  # typewriter's, typographer's


@stackable()
class Translation(TextTransduction, FileTask):
    """Translation: `the tired owl did not leave` -> `le hibou fatigué n'est pas parti`.

    Clauses of a toy grammar are joined by `and`, `but`, `because`. The model must learn French
    agreement in gender and number (`partie`, `partis`), the position of adjectives (`la petite
    épée noire`), `ne ... pas` around the verb, and elision (`l'arbre`, `d'oranges`, `parce
    qu'elle`). The content of a clause, in all its forms, belongs to one split, so that test
    sentences are unseen combinations of seen words; joined clauses are of the same split.

    With `path` the pairs are `source<TAB>target` lines of a file; a fixed hash of the source
    chooses the split, about 80 : 10 : 10, and `sample` takes no length. A split with a file of its
    own has no pairs of it. With `source` they are the messages of installed projects and their
    French translations (`catalogues.py`), all in one pool; a message that several projects have is
    in one split. They are few, so the floor of pairs has the scores on test of a translation
    memory, which answers with the translation of the nearest source of train
    (`bleu_nearest_neighbour`, `chrf_nearest_neighbour`; by the cosine of counts of character
    trigrams; of 50000 and 2500 pairs at most).

    At the level of words, punctuation is a word and so is `l'`; combining marks, joiners and joined
    emoji are not split, and in Chinese, Japanese, Thai and other scripts without spaces each
    grapheme is a word (`words.py`). A decoded text may differ from the file in spaces. The
    vocabulary has the words of all splits, or with `min_count` the frequent ones of train. All
    others are `<unk>` then, which is predicted like any word.

    Args:
        stored: the symbols of a trained model.
        level: whether symbols are words or characters.
        source: a project on PyPI, or a list of some, whose messages are the pairs, such as
            `django`; `null` for the grammar, or with `path`.
        max_clauses: most clauses of a sentence, which draws their number; with a `length` in
            `sample` all sentences have as many. `null` with `path` and `source`.
        path: a file of pairs, or `null`.
        val_path: a file of pairs to validate on; `null` for a tenth of `path`.
        test_path: a file of pairs to test on; `null` for a tenth of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.
        min_count: minimum number of occurrences, in sources and targets of train, of a symbol in
            the vocabulary; `null` for all symbols of the files.
        max_words: pairs of which a side has more words are left out of all splits; `null` for none.
    """

    higher_is_better: ClassVar = {**Transduction.higher_is_better, "bleu": True, "chrf": True}

    def __init__(
        self,
        layout: Layout,
        seed: int,
        stored: StoredSymbols | None = None,
        *,
        source: Project | Projects | None,
        level: Literal["word", "character"],
        max_clauses: PositiveInt | None,
        path: DataFile | None,
        val_path: DataFile | None,
        test_path: DataFile | None,
        encoding: str | None,
        min_count: PositiveInt | None,
        max_words: PositiveInt | None,
    ) -> None:
        if isinstance(source, list):
            source = ",".join(source)
        if source is not None and path is not None:
            raise ConfigError(f"task.source must be null where task.path is {path}, got {source}")
        given = path or source
        if given is None and max_clauses is None:
            raise ConfigError(
                "max_clauses must be 1 or more where path and source are null, got null"
            )
        if given is not None and max_clauses is not None:
            key = "source" if path is None else "path"
            raise ConfigError(
                f"max_clauses must be null where {key}={given} gives the sentences, got "
                f"{max_clauses}"
            )
        for name, value, wanted in (
            ("val_path", val_path, path),
            ("test_path", test_path, path),
            ("min_count", min_count, given),
            ("max_words", max_words, given),
        ):
            if wanted is None and value is not None:
                raise ConfigError(f"task.{name} must be null where task.path is null, got {value}")
        self._files = TextFiles(path, val_path, test_path, encoding)
        identity: Callable[[tuple[str, str]], str] = _source
        if source is not None:
            self._files = catalogues = Catalogues(source)
            identity = catalogues.message
        self.by_word = level == "word"
        self.max_clauses = max_clauses
        self.set_stored(stored if given is not None else None)
        learnt = self.stored_symbols and self.stored_symbols[self.num_specials :]
        self.rows = None
        if given is not None:
            self.rows = Rows(self._files, partial(_short_pairs, max_words), identity, self.problem)
        if self.problem is not None:
            super().__init__(layout, seed, learnt or ())
            return
        texts = clauses().phrases if self.rows is None else self.rows.all
        numbering = Numbering()
        pools = [numbering.pool(self._pieces(pair[side]) for pair in texts) for side in (0, 1)]
        # Training pairs come first.
        trained = len(texts) if self.rows is None else len(self.rows.indices["train"])
        symbols = choose_symbols(
            numbering.count(pool.first(trained) for pool in pools), numbering, min_count, learnt
        )
        ids = {symbol: i + self.num_specials for i, symbol in enumerate(symbols)}
        unknown = ids.get(UNKNOWN, -1)
        table = np.array([ids.get(symbol, unknown) for symbol in numbering], dtype=np.int64)
        self.sources, self.targets = (Pool(table[pool.ids], pool.lengths) for pool in pools)
        super().__init__(layout, seed, symbols)

    def num_batches(self, split: Split, batch_size: int) -> int | None:
        """Return the number of batches of a file's split; the last one may be smaller."""
        return None if self.rows is None else self.rows.num_batches(split, batch_size)

    def most_symbols(self, length: int | None) -> tuple[int, int]:
        """Return an upper bound of the symbols of a source and of a target in train."""
        spare = 0 if self.by_word else 1
        pools = (self.sources.lengths, self.targets.lengths)
        if self.rows is not None:
            trained = self.rows.indices["train"]
            source, target = (int(lengths[trained].max()) for lengths in pools)
        else:
            assert self.max_clauses is not None
            count = self.max_clauses if length is None else length
            first = [[int(lengths[part].max()) for part in clauses().parts] for lengths in pools]
            source, target = (count * sum(most) - most[0] for most in first)
        return source - spare, target - spare

    @property
    def trained_lengths(self) -> Lengths | None:
        """The range of the number of clauses; `None` with a file."""
        return None if self.max_clauses is None else Lengths(1, self.max_clauses)

    def pairs(self, split: Split, index: int, batch_size: int, length: int | None) -> Pairs:
        """Draw sentences, or take the next pairs of the file; train is shuffled each epoch."""
        if self.rows is not None:
            if length is not None:
                raise ConfigError(
                    f"length can't be chosen where path gives the pairs, got {length}"
                )
            parts = self.rows.batch(split, index, batch_size, self.rng)[:, None]
        else:
            assert self.max_clauses is not None
            rng = self.rng(split, index)
            if length is None:
                counts = rng.integers(self.max_clauses, size=batch_size) + 1
            else:
                counts = np.full(batch_size, length)
            parts = clauses().draw(rng, split, counts)
        source, source_length = self.sources.join(parts)
        target, target_length = self.targets.join(parts)
        # At the level of characters every phrase ends in a space, the last one too.
        spare = 0 if self.by_word else 1
        return Pairs(source, source_length - spare, target, target_length - spare)

    def warnings(self) -> Iterator[str]:
        """Warn if most symbols of a file's held-out pairs don't occur in training."""
        if self.rows is None:
            return
        unit, advice = "characters", "are they texts of another kind?"
        if self.by_word:
            unit, advice = "words", "take task.level=character, or more pairs"
        for pool, what in ((self.sources, "sources"), (self.targets, "targets")):
            counts = {
                split: np.bincount(pool.symbols(rows), minlength=len(self.symbols))
                for split, rows in self.rows.indices.items()
            }
            train = counts.pop("train")
            unknown = self._ids.get(UNKNOWN)
            yield from unseen_symbols(train, counts, f"{unit} of {what}", advice, unknown)
        yield from self.rows.warnings("sources")

    def cut(self, text: str) -> list[str]:
        """Split a text into words or characters."""
        text = unicodedata.normalize("NFC", text)
        return cut_words(text) if self.by_word else list(text)

    def join(self, symbols: list[str]) -> str:
        """Join words with spaces, except after an apostrophe or before a full stop."""
        return join_words(symbols) if self.by_word else "".join(symbols)

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of symbols' frequencies by position, and of pairs those of the nearest source."""
        if self.rows is None:
            return super().floor
        train, test = (
            self.rows[split][:: max(1, -(-len(self.rows.indices[split]) // most))]
            for split, most in _COMPARED.items()
        )
        near = nearest_text([source for source, _ in train], [source for source, _ in test])
        rights = [cut_words(target) for _, target in test]
        claims = [cut_words(train[index][1]) for index in near]
        scores = text_scores(
            [
                " ".join(claim[: len(right) + 1])
                for claim, right in zip(claims, rights, strict=True)
            ],
            [" ".join(right) for right in rights],
        )
        near_scores = {f"{name}_nearest_neighbour": score for name, score in scores.items()}
        return {**super().floor, **near_scores}

    def fingerprint(self) -> str:
        """Add a hash of the messages of projects, which may change without any setting."""
        fingerprint = super().fingerprint()
        return fingerprint if self.rows is None else self.rows.digest(fingerprint)

    def scorer(self) -> "TranslationScorer":
        """Return a scorer that adds BLEU and the character F-score."""
        return TranslationScorer(self)

    def show(self, batch: Batch, output: Tensor) -> str:
        """Align source, right answer and the model's answer."""
        blocks = []
        answers = output.argmax(dim=2)
        for row in range(min(6, len(answers))):
            right = self.decode(batch.target[row][batch.mask[row]].tolist())
            claim = self.decode(answers[row][batch.mask[row]].tolist())
            blocks.append(
                f"source  {self.source_text(batch, row)}\n"
                f"right   {right}\n"
                f"claims  {claim}{'' if claim == right else '   x'}"
            )
        return "\n\n".join(blocks)

    def _pieces(self, text: str) -> list[str]:
        """Split a phrase into symbols, with a space at its end if symbols are characters."""
        if not self.by_word and text and not text.endswith(_APOSTROPHES):
            text += " "
        return self.cut(text)


def _source(pair: tuple[str, str]) -> str:
    return pair[0]


def _short_pairs(most: int | None, text: str, key: str, path: str) -> list[tuple[str, str]]:
    """Read pairs, and leave out those of which a side has more words."""
    pairs = read_pairs(text, key, path)
    if most is None:
        return pairs
    short = [pair for pair in pairs if all(len(cut_words(side)) <= most for side in pair)]
    if not short:
        raise ConfigError(f"task.max_words must leave pairs of {key}={path}, got {most}")
    return short


class TranslationScorer(TransductionScorer):
    """Adds corpus BLEU and the character F-score, see `text_scores.py`.

    An answer is read up to its end symbol, or to the length of the right answer with its end.
    """

    task: Translation

    def keep(self, output: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """Return also the answers, the right ones, and which steps are answered."""
        return *super().keep(output, batch), output.argmax(dim=2), batch.target, batch.mask

    def compute(self) -> dict[str, float]:
        """Return the means, and the scores of texts."""
        return super().compute() | text_scores(*self._texts())

    def breakdown(self) -> dict[str, dict[str, float]]:
        """Return scores by source length, with BLEU if a right answer has 4 words or more."""
        scores = super().breakdown()
        claims, rights = self._texts()
        lengths = self.lengths()
        scores["bleu_by_length"] = {}
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            right = [rights[row] for row in rows]
            if have_bleu(right):
                score = bleu([claims[row] for row in rows], right)
                scores["bleu_by_length"][str(length)] = score
        return scores

    def _texts(self) -> tuple[list[str], list[str]]:
        """Return all answers and right answers as words separated by spaces."""
        claims: list[str] = []
        rights: list[str] = []
        for *_, answers, target, mask in self.kept:
            rows = zip(answers.tolist(), target.tolist(), mask.tolist(), strict=True)
            for answer, right, asked in rows:
                claims.append(
                    self._spaced([i for i, here in zip(answer, asked, strict=True) if here])
                )
                rights.append(
                    self._spaced([i for i, here in zip(right, asked, strict=True) if here])
                )
        return claims, rights

    def _spaced(self, ids: list[int]) -> str:
        words = self.task.words(ids)
        if not self.task.by_word:
            words = cut_words("".join("\ufffd" if word == UNKNOWN else word for word in words))
        return " ".join(words)
