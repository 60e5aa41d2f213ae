"""Character-level language modelling."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

from torch import Tensor

from rnnlab.spec import Batch
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean
from rnnlab.tasks.characters import NumberedText, characters_of, read_characters
from rnnlab.tasks.next_symbol import NextSymbol, ngram_floors

_SHOWN = 80  # most characters of a line
_VISIBLE = {"\n": "↵", "\t": "→"}


@stackable(carries=True)
class NextChar(NextSymbol):
    """Next character: predict each character of a text from those before it.

    Elman (1990) for a sequence of letters; Graves (2013) for long texts. Each split is one
    contiguous part of the text, train first. Length 7:

        input    R O M E O : ↵
        target   O M E O : ↵ O
        mask     x x x x x x x

    Stream layout: a split is divided into `batch_size` streams, and batch i is the i-th window of
    each, so that the state is carried from batch to batch; `first` is True in the first window of
    a stream. Encoder-decoder layout: the first `cut` characters of each window are the source, and
    the decoder's first input is the last of them; windows overlap by `cut`, so that each character
    is answered once and windows are independent.

    In train only windows of full length are read. Every character of held-out text is answered
    once, except the first of the split (`cut` characters in the encoder-decoder layout): the last
    windows are shorter, and the mask is False after the end of a row. In the stream layout it is
    scored in one stream per 1,000 characters, 64 at most, each from the initial state. So scores
    don't depend on the batch size, nor in this layout on `length`.

    A character is a Unicode code point; the vocabulary has all characters of the text, or with
    `min_count` the frequent ones of train. All others are `<unk>` then, which is predicted like
    any character. The seed has no effect.

    Metrics: `loss` in nats per character, the same in bits (`bits_per_char`), `perplexity`, its
    exponential, `accuracy`. The floors are the scores of two models without memory, counted on
    train and scored on val: the unigram model, and the bigram model, which reads the present
    character (`loss_bigram`, `perplexity_bigram`, `accuracy_bigram`).

    Args:
        stored: the symbols of a trained model.
        path: the text file; `null` for the plays of Shakespeare.
        val_path: a file to validate on; `null` for a share of `path`.
        test_path: a file to test on; `null` for a share of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.
        min_count: minimum number of occurrences in train of a character with a symbol of its own;
            `null` for all characters of the text.
        length: characters of a window.
        cut: characters of a window that the encoder reads, `null` for half; encoder-decoder
            layout only.
        val_fraction: share of the text before the test split; `null` for 0.05, or none with
            `val_path`.
        test_fraction: share at the end of the text; `null` for 0.05, or none with `test_path`.
    """

    higher_is_better: ClassVar = {**NextSymbol.higher_is_better, "bits_per_char": False}
    unit: ClassVar[str] = "characters"

    def number(self, text: str) -> NumberedText:
        """Convert a text to numbers."""
        return characters_of(text)

    def read_file(self, path: str, key: str, encoding: str | None) -> NumberedText:
        """Read a file as numbers."""
        return read_characters(path, key=key, encoding=encoding)

    def symbols_of(self, text: str) -> str:
        """Return the text, whose symbols are its characters."""
        return text

    def spaced(self, before: str, symbol: str) -> str:  # noqa: ARG002
        """Return the character."""
        return symbol

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of the unigram and the bigram model; computed on first use, in 0.2 seconds."""
        floors = ngram_floors(self._splits["train"], self._splits["val"], len(self.symbols))
        return floors | {"bits_per_char": floors["loss"] / math.log(2)}

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Compute the loss in nats and in bits per character, and the accuracy."""
        scores = super().metrics(output, batch)
        loss, steps = scores["loss"]
        return scores | {"bits_per_char": Mean(loss / math.log(2), steps)}

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align the text with the predictions, each after the true characters before it."""
        asked = batch.mask[row]
        lines = [
            f"text   {self._visible(batch.target[row][asked][:_SHOWN])}",
            f"guess  {self._visible(output[row].argmax(dim=1)[asked][:_SHOWN])}",
        ]
        if batch.source is not None:
            lines.insert(0, f"source {self._visible(batch.source[row, -_SHOWN:])}")
        return "\n".join(lines)

    def labels(self, ids: Tensor) -> list[str]:
        """Return a visible character for each id."""
        return [
            _VISIBLE.get(c, c if len(c) == 1 and c.isprintable() else "\N{REPLACEMENT CHARACTER}")
            for c in (self.symbols[index] for index in ids.tolist())
        ]

    def _visible(self, ids: Tensor) -> str:
        return "".join(self.labels(ids))
