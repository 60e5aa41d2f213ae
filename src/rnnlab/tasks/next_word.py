"""Word-level language modelling."""

import unicodedata
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import ClassVar

from torch import Tensor

from rnnlab.ranges import DataFile, PositiveInt, Share
from rnnlab.spec import Batch, Layout
from rnnlab.stackable import stackable
from rnnlab.tasks.characters import NumberedText
from rnnlab.tasks.corpus import read_text
from rnnlab.tasks.file_task import StoredSymbols
from rnnlab.tasks.next_symbol import NextSymbol, ngram_floors
from rnnlab.tasks.pairs import Numbering
from rnnlab.tasks.words import cut_words, join_words

_SHOWN = 12  # most words of a line
_NEWLINE = "\n"
_UNSPACED = (_NEWLINE, ":", ";", "!", "?")  # no space stands before them in English
_PRIORS = (1.0, 10.0, 100.0, 1000.0)  # of the bigram model, of which the best on val is the floor


@stackable(carries=True)
class NextWord(NextSymbol):
    """Next word: predict each word of a text from those before it.

    Mikolov et al. (2010). Splits, batches and layouts are those of `NextChar`, with words for
    characters. Length 4:

        input    to be , or
        target   be , or not
        mask     x  x x  x

    Words are cut as `words.py` says, after composition (NFC): letters and digits with hyphens
    between them, ending after an apostrophe; any other character is a word of its own, as is the
    end of a line. A vocabulary has the words with `min_count` occurrences in train; all others are
    `<unk>`, which is predicted like any word, so that a perplexity counts for one vocabulary only.

    Metrics: `loss` in nats per word, `perplexity`, its exponential, `accuracy`. The floors are
    scores on val of models counted on train: the unigram model (`loss`, `perplexity`, `accuracy`)
    and the bigram model (`loss_bigram`, `perplexity_bigram`, `accuracy_bigram`), whose smoothing is
    the best on val of four.

    Args:
        stored: the symbols of a trained model.
        path: the text file; `null` for the plays of Shakespeare.
        val_path: a file to validate on; `null` for a share of `path`.
        test_path: a file to test on; `null` for a share of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.
        lowercase: whether capital letters are read as small ones.
        min_count: minimum number of occurrences in train of a word with a symbol of its own;
            `null` for all words of the text.
        length: words of a window.
        cut: words of a window that the encoder reads, `null` for half; encoder-decoder layout only.
        val_fraction: share of the text before the test split; `null` for 0.05, or none with
            `val_path`.
        test_fraction: share at the end of the text; `null` for 0.05, or none with `test_path`.
    """

    unit: ClassVar[str] = "words"

    def __init__(
        self,
        layout: Layout,
        seed: int,
        stored: StoredSymbols | None = None,
        *,
        path: DataFile | None,
        val_path: DataFile | None,
        test_path: DataFile | None,
        encoding: str | None,
        lowercase: bool,
        min_count: PositiveInt | None,
        length: PositiveInt,
        cut: PositiveInt | None,
        val_fraction: Share | None,
        test_fraction: Share | None,
    ) -> None:
        self.lowercase = lowercase
        super().__init__(
            layout,
            seed,
            stored,
            path=path,
            val_path=val_path,
            test_path=test_path,
            encoding=encoding,
            min_count=min_count,
            length=length,
            cut=cut,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
        )

    def number(self, text: str) -> NumberedText:
        """Convert a text to numbers."""
        return _numbered(text, self.lowercase)

    def read_file(self, path: str, key: str, encoding: str | None) -> NumberedText:
        """Read a file as numbers."""
        return self.number(read_text(path, key=key, encoding=encoding))

    def symbols_of(self, text: str) -> list[str]:
        """Split a text into words and ends of lines."""
        return _cut(text, self.lowercase)

    def spaced(self, before: str, symbol: str) -> str:
        """Return a word with the space before it, if any."""
        if symbol in _UNSPACED or before in ("", _NEWLINE):
            return symbol
        return join_words([before, symbol]).removeprefix(before)

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of the unigram and the bigram model; computed on first use."""
        train, val = self._splits["train"], self._splits["val"]
        found = [ngram_floors(train, val, len(self.symbols), prior) for prior in _PRIORS]
        return min(found, key=lambda scores: scores["loss_bigram"])

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align the text with the predictions, each after the true words before it."""
        asked = batch.mask[row].nonzero().flatten()[:_SHOWN]
        texts = (batch.target[row], output[row].argmax(dim=1))
        words, guesses = (self.labels(ids[asked]) for ids in texts)
        widths = [max(map(len, pair)) for pair in zip(words, guesses, strict=True)]
        lines = []
        if batch.source is not None:
            lines.append(f"source {' '.join(self.labels(batch.source[row, -_SHOWN:]))}")
        for name, cells in (("text", words), ("guess", guesses)):
            padded = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
            lines.append(f"{name:6} {' '.join(padded)}")
        return "\n".join(line.rstrip() for line in lines)

    def labels(self, ids: Tensor) -> list[str]:
        """Return each word, the end of a line as an arrow."""
        return [self.symbols[index].replace(_NEWLINE, "↵") for index in ids.tolist()]


def _cut(text: str, lowercase: bool) -> list[str]:
    """Split a text into words and ends of lines."""
    text = unicodedata.normalize("NFC", text.lower() if lowercase else text)
    first, *lines = text.split(_NEWLINE)
    words = cut_words(first)
    for line in lines:
        words.append(_NEWLINE)
        words += cut_words(line)
    return words


@lru_cache(maxsize=2)
def _numbered(text: str, lowercase: bool) -> NumberedText:
    """Number the words of a text; the last texts are kept, for all jobs of a sweep."""
    numbers = (numbering := Numbering()).pool([_cut(text, lowercase)]).ids
    numbers.setflags(write=False)
    return NumberedText(numbers, tuple(numbering))
