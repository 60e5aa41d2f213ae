"""Transductions: a sequence of symbols is read, and another one is answered."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.spec import Batch, Layout, Split, Tokens
from rnnlab.tasks.base import Scorer
from rnnlab.tasks.keeping_scorer import KeepingScorer
from rnnlab.tasks.own_input import OwnInput
from rnnlab.tasks.shown_by_row import ShownByRow
from rnnlab.tasks.vocabulary import UNKNOWN

_FLOOR_PAIRS = 1024
_ROOM = 10  # by default an answer may have 2 * source + 10 symbols


class Pairs(NamedTuple):
    """B sources and their targets, without separator and end symbol.

    Attributes:
        source: `(B, S)` int64 ids, right-padded.
        source_length: `(B,)` symbols, 1 or more.
        target: `(B, A)` int64 ids, right-padded.
        target_length: `(B,)` symbols.
    """

    source: np.ndarray
    source_length: np.ndarray
    target: np.ndarray
    target_length: np.ndarray


class Transduction(ShownByRow):
    """Source symbols in, target symbols out, until the end-of-sequence symbol `$`.

    `12+34` and its answer as a stream; `|` is the separator, `_` the padding:

        input    1 2 + 3 4 | 4 6 _
        target   _ _ _ _ _ 4 6 $ _
        mask     . . . . . x x x .

    and as encoder and decoder: source `1 2 + 3 4`, input `| 4 6`, target `4 6 $`. The separator
    is the decoder's start symbol. Source and target share one vocabulary with special symbols.

    The floor is the score of knowing only the symbols' frequencies at each position of an answer.

    Args:
        symbols: the vocabulary without the special symbols.
    """

    pad: int = 0
    separator: int = 1
    end: int = 2
    num_specials: int = 3
    shown_rows = 8

    def __init__(self, layout: Layout, seed: int, symbols: Sequence[str]) -> None:
        super().__init__(layout, seed)
        self.never = (self.pad, self.separator)
        self.symbols = self.written = ("<pad>", "<separator>", "<end>", *symbols)
        self._ids = {symbol: i + self.num_specials for i, symbol in enumerate(symbols)}
        tokens = Tokens(len(self.symbols))
        self.spec = self.spec_of(tokens, tokens, feedback=True)

    @abstractmethod
    def pairs(self, split: Split, index: int, batch_size: int, length: int | None) -> Pairs:
        """Make the pairs of batch `index`; `length` replaces the configured length."""

    def cut(self, text: str) -> list[str]:
        """Split a text into symbols, by default characters."""
        return list(text)

    def join(self, symbols: list[str]) -> str:
        """Join symbols to a text, the inverse of `cut` except for spaces."""
        return "".join(symbols)

    def encode(self, text: str) -> list[int]:
        """Convert a source text to ids.

        Raises:
            ConfigError: the text is empty, or a symbol is neither known nor replaced by `UNKNOWN`.
        """
        symbols = self.cut(text)
        if not symbols:
            raise ConfigError("the source must have one symbol or more, got none")
        for symbol in symbols:
            if symbol not in self._ids and UNKNOWN not in self._ids:
                near = get_close_matches(symbol, self._ids, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ConfigError(
                    f"the source may hold the task's {len(self._ids)} symbols, got {symbol!r} "
                    f"in {text!r}{hint}"
                )
        unknown = self._ids.get(UNKNOWN, -1)
        return [self._ids.get(symbol, unknown) for symbol in symbols]

    def decode(self, ids: Sequence[int]) -> str:
        """Convert the ids of an answer up to its end symbol, if any, to a text."""
        return self.join(self.words(ids))

    def words(self, ids: Sequence[int]) -> list[str]:
        """Return the symbols of an answer up to its end symbol, if any."""
        ids = list(ids)
        return [self.symbols[i] for i in ids[: ids.index(self.end) if self.end in ids else None]]

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; rows of different lengths are padded on the right."""
        pairs = self.pairs(split, index, batch_size, length)
        return self._stream(pairs) if self.layout == "stream" else self._encoder_decoder(pairs)

    def longest(self, length: int | None = None) -> int:
        """Count the symbols of the longest source, in a stream with separator and answer."""
        source, target = self.most_symbols(length)
        return source if self.layout == "encoder_decoder" else source + 1 + target

    def most_symbols(self, length: int | None) -> tuple[int, int]:
        """Return the most symbols of a source and of a target in train, here of 1024 pairs."""
        pairs = self.pairs("train", 0, _FLOOR_PAIRS, length)
        return int(pairs.source_length.max()), int(pairs.target_length.max())

    def source_batch(self, sources: Sequence[Sequence[int]], max_answer: int | None) -> Batch:
        """Make a batch of sources whose answers are unknown.

        Args:
            sources: the ids of each.
            max_answer: most symbols of an answer; `None` for ten more than twice its source.
        """
        lengths = np.array([len(source) for source in sources])
        most = 2 * lengths + _ROOM if max_answer is None else np.full(len(sources), max_answer)
        source = np.full((len(sources), lengths.max()), self.pad)
        source[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(sources)
        unknown = np.full((len(sources), most.max() - 1), self.pad)
        pairs = Pairs(source, lengths, unknown, most - 1)
        batch = self._stream(pairs) if self.layout == "stream" else self._encoder_decoder(pairs)
        return batch._replace(target=torch.zeros_like(batch.target))

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Make a batch of a source text or test sources; answers have up to `length` symbols."""
        if text is None:
            return super().prompt(text, num_samples, None)
        source = self.encode(text)
        return self.source_batch([source] * num_samples, length)

    def show_answers(self, batch: Batch, answers: Tensor) -> str | Image.Image:
        """Write a line per sequence: source and answer."""
        texts = enumerate(self.answer_texts(batch, answers))
        return "\n".join(f"{self.source_text(batch, row)} = {text}" for row, text in texts)

    def answer_texts(self, batch: Batch, answers: Tensor) -> list[str]:
        """Return the text of each answer."""
        rows = zip(answers, batch.mask, strict=True)
        return [self.decode(ids[mask].tolist()) for ids, mask in rows]

    def source_lengths(self, batch: Batch) -> Tensor:
        """Count the source symbols of each row, `(B,)`."""
        if batch.source_mask is not None:
            return batch.source_mask.sum(1)
        return batch.mask.int().argmax(dim=1)  # the first answer is at the separator

    def source_text(self, batch: Batch, row: int) -> str:
        """Return the text of a row's source."""
        read = batch.input if batch.source is None else batch.source
        source = read[row, : self.source_lengths(batch)[row]]
        return self.join(self.words(source.tolist()))

    def scorer(self) -> Scorer:
        """Return a scorer that also scores by source length."""
        return TransductionScorer(self)

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Write the source, the right answer, and the model's answer if it differs."""
        answers = (batch.target[row], output[row].argmax(dim=1))
        right, claim = (self.decode(ids[batch.mask[row]].tolist()) for ids in answers)
        verdict = "" if claim == right else f"   claims {claim}  x"
        return f"{self.source_text(batch, row)} = {right}{verdict}"

    def _stream(self, pairs: Pairs) -> Batch:
        """Make a batch of sequences `source | target $`: each input's target is the next symbol."""
        source, source_length, target, target_length = pairs
        rows = np.arange(len(source))
        width = (source_length + target_length).max() + 1
        step = np.arange(width + 1) - source_length[:, None]  # 0 at the separator
        answered = (step >= 0) & (step <= target_length[:, None])
        line = np.full(step.shape, self.pad)
        line[step < 0] = source[_real(source, source_length)]
        line[rows, source_length] = self.separator
        line[(step > 0) & answered] = target[_real(target, target_length)]
        inputs = line[:, :-1].copy()
        line[rows, source_length + target_length + 1] = self.end
        mask = answered[:, :-1]
        return Batch(
            input=torch.from_numpy(inputs),
            target=torch.from_numpy(np.where(mask, line[:, 1:], self.pad)),
            mask=torch.from_numpy(mask),
        )

    def _encoder_decoder(self, pairs: Pairs) -> Batch:
        """Make a batch of sources, decoder inputs `| target` and targets `target $`."""
        source, source_length, target, target_length = pairs
        width = target_length.max()
        target, real = target[:, :width], _real(target, target_length)[:, :width]
        answer = np.full((len(source), width + 1), self.pad)
        answer[:, :-1][real] = target[real]
        inputs = np.roll(answer, 1, axis=1)
        inputs[:, 0] = self.separator
        answer[np.arange(len(source)), target_length] = self.end
        read = _real(source, source_length)[:, : source_length.max()]
        return Batch(
            input=torch.from_numpy(inputs),
            target=torch.from_numpy(answer),
            mask=torch.from_numpy(_real(answer, target_length + 1)),
            source=torch.from_numpy(np.where(read, source[:, : read.shape[1]], self.pad)),
            source_mask=torch.from_numpy(read),
        )

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of knowing the frequencies of symbols at each position of an answer only."""
        pairs = self.pairs("train", 0, _FLOOR_PAIRS, None)
        batch = self._encoder_decoder(pairs)
        target, mask = batch.target.numpy(), batch.mask.numpy()
        counts = np.zeros((mask.shape[1], len(self.symbols)))
        np.add.at(
            counts, (np.broadcast_to(np.arange(mask.shape[1]), mask.shape)[mask], target[mask]), 1
        )
        shares = counts / counts.sum(1, keepdims=True)
        nats = -(counts * np.log(np.where(counts > 0, shares, 1))).sum()
        return {
            "loss": float(nats / counts.sum()),
            "accuracy": float(counts.max(1).sum() / counts.sum()),
        }


class TextTransduction(Transduction, OwnInput):
    """A transduction whose source is a line of text."""

    def read_input(self, text: str, key: str, path: str) -> list[list[int]]:  # noqa: ARG002
        """Convert a source to ids."""
        return [self.encode(text)]

    def input_batch(self, examples: Sequence[list[int]], length: int | None) -> Batch:
        """Make a batch of sources."""
        return self.source_batch(examples, length)


class TransductionScorer(KeepingScorer):
    """Adds up metrics over batches, and by source length."""

    task: Transduction

    def keep(self, output: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """Return the source length, the right answers and the answers of each row."""
        right = (output.argmax(dim=2) == batch.target) & batch.mask
        return self.task.source_lengths(batch), right.sum(1), batch.mask.sum(1)

    def lengths(self) -> np.ndarray:
        """Return the source length of every scored row, in order."""
        return torch.cat([lengths for lengths, *_ in self.kept]).cpu().numpy()

    def breakdown(self) -> dict[str, dict[str, float]]:
        """Return exact match, accuracy and the number of sequences by source length in symbols."""
        if not self.kept:
            return {}
        of_rows = zip(*(kept[:3] for kept in self.kept), strict=True)
        kept = (torch.cat(parts) for parts in of_rows)
        lengths, right, asked = (part.cpu().numpy() for part in kept)
        scores: dict[str, dict[str, float]] = {
            "exact_match_by_length": {},
            "accuracy_by_length": {},
            "sequences_by_length": {},
        }
        for length in np.unique(lengths):
            here = lengths == length
            exact = (right == asked)[here].mean()
            scores["exact_match_by_length"][str(length)] = float(exact)
            scores["accuracy_by_length"][str(length)] = float(right[here].sum() / asked[here].sum())
            scores["sequences_by_length"][str(length)] = float(here.sum())
        return scores


def _real(ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return a mask of the real symbols of right-padded rows."""
    return np.arange(ids.shape[1]) < lengths[:, None]
