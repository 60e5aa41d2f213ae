"""Character-level language modelling."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.ranges import DataFile, PositiveInt, Share
from rnnlab.spec import SPLITS, Batch, Layout, Split, TaskSpec, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.characters import (
    Characters,
    characters_of,
    count,
    count_pairs,
    read_characters,
)
from rnnlab.tasks.corpus import TextFiles, read_plays
from rnnlab.tasks.file_task import FileTask, NoData, StoredSymbols
from rnnlab.tasks.vocabulary import UNKNOWN, choose_symbols, unseen_symbols

_VISIBLE = {"\n": "↵", "\t": "→"}

_SHARE = 0.05  # default share of a text for validation, and for test
_STREAMS, _STREAM_LENGTH = 64, 1000  # of held-out text: most streams, fewest characters of each

_SAMPLE_LENGTH = 400  # default characters of a sample


@stackable(carries=True)
class NextChar(FileTask):
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

    The floors are the scores of two models without memory, counted on train and scored on val: the
    unigram model (`loss`, `bits_per_char`, `accuracy`), and the bigram model, which reads the
    present character (`loss_bigram` in nats, `accuracy_bigram`).

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

    Attributes:
        symbols: all characters of the text, sorted; with `min_count` the common ones after
            `<unk>`.
    """

    scores_free_run = False
    higher_is_better: ClassVar = {**Task.higher_is_better, "bits_per_char": False}
    prompt_by_line = False

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
        min_count: PositiveInt | None,
        length: PositiveInt,
        cut: PositiveInt | None,
        val_fraction: Share | None,
        test_fraction: Share | None,
    ) -> None:
        super().__init__(layout, seed)
        if layout == "stream" and cut is not None:
            raise ConfigError(
                f"task.cut must be null with a model that reads a stream, got {cut}: the cut is "
                "between an encoder and a decoder"
            )
        self.length = length
        self.cut = cut
        self._files = TextFiles(path, val_path, test_path, encoding)
        self.set_stored(stored)
        self._plays = ""
        if self.problem is not None:
            self.symbols = tuple(self.stored_symbols or ())
            self._splits: dict[Split, np.ndarray] = NoData(self.problem)
        else:
            texts = self._read_splits(val_fraction, test_fraction)
            self.symbols = self._choose_symbols(texts, min_count)
            self._splits = {split: self._ids(text) for split, text in texts.items()}
            for split in self._splits:
                self.num_batches(split, 1)
        symbols = Tokens(len(self.symbols))
        self.spec = TaskSpec(
            input=symbols,
            target=symbols,
            source=symbols if layout == "encoder_decoder" else None,
            feedback=True,
        )

    @property
    def _unknown(self) -> int | None:
        """The id of `UNKNOWN`, or `None` if the vocabulary has none."""
        return self.symbols.index(UNKNOWN) if UNKNOWN in self.symbols else None

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of the unigram and the bigram model; computed on first use, in 0.2 seconds."""
        return ngram_floors(self._splits["train"], self._splits["val"], len(self.symbols))

    def warnings(self) -> Iterator[str]:
        """Warn about held-out text whose characters don't occur in training."""
        counts = {split: count(ids, len(self.symbols)) for split, ids in self._splits.items()}
        train = counts.pop("train")
        advice = "is it text of another kind?"
        return unseen_symbols(train, counts, "characters", advice, self._unknown)

    def encode(self, text: str) -> list[int]:
        """Convert a text to ids.

        Raises:
            ConfigError: a character is neither in the vocabulary nor replaced by `UNKNOWN`.
        """
        ids = {character: index for index, character in enumerate(self.symbols)}
        if self._unknown is not None:
            return [ids.get(character, self._unknown) for character in text]
        for position, character in enumerate(text):
            if character not in ids:
                accepted = "".join(self.symbols[:100])
                accepted += "..." if len(self.symbols) > 100 else ""
                raise ConfigError(
                    f"prompt must be of the {len(self.symbols)} characters that the text has, "
                    f"got {character!r} at position {position}; it takes {accepted!r}"
                )
        return [ids[character] for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        """Convert ids to a text, the inverse of `encode`."""
        return "".join(self.symbols[index] for index in ids)

    def fingerprint(self) -> str:
        """Add a hash of the plays, whose package may change without any setting."""
        fingerprint = super().fingerprint()
        return hashlib.sha256(f"{fingerprint} {self._plays}".encode()).hexdigest()[:16]

    def num_batches(self, split: Split, batch_size: int) -> int:
        """Return the number of batches in which every character is answered once."""
        if split == "train":
            return self._grid(batch_size, self.length)[1]
        return self._held_out_batches(split, batch_size, self.length)

    def num_streams(self, split: Split) -> int | None:
        """Return one stream per 1,000 characters, 64 at most."""
        if self.layout == "encoder_decoder":
            return None
        return min(_STREAMS, max(1, self._answerable(split, self.length) // _STREAM_LENGTH))

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch: window `index` of every stream, modulo the number of windows."""
        length = self.length if length is None else length
        read, answered = self._read(length), self._answered(length)
        if split == "train":
            stream, count = self._grid(batch_size, length)
            window = index % count
            starts = np.arange(batch_size) * stream + window * answered
            ends = starts + answered
        else:
            window = index % self._held_out_batches(split, batch_size, length)
            starts, ends = self._held_out_windows(split, window, batch_size, length)
        steps = np.arange((ends - starts).max())
        positions = starts[:, None] + np.arange(read + len(steps))
        ids = self._splits[split]
        text = torch.from_numpy(ids[positions.clip(max=len(ids) - 1)].astype(np.int64))
        batch = Batch(
            input=text[:, read - 1 : -1],
            target=text[:, read:],
            mask=torch.from_numpy(starts[:, None] + steps < ends[:, None]),
        )
        if self.layout == "stream":
            return batch._replace(first=torch.full((len(starts),), window == 0))
        source = text[:, :read]
        return batch._replace(source=source, source_mask=torch.ones(source.shape, dtype=torch.bool))

    def prompt_batch(self, ids: Sequence[int], num_samples: int, length: int) -> Batch:
        """Make a batch whose answered steps, in free running, continue a prompt.

        All rows are the same. In the stream layout the input begins with the whole prompt; in the
        other one its last `cut` characters are the source. An empty prompt is a newline. Inputs
        after the prompt and all targets are placeholders.
        """
        if not ids:
            ids = [self.symbols.index("\n") if "\n" in self.symbols else 0]
        prompt = torch.tensor(ids).expand(num_samples, -1)
        read = self._read(self.length)
        start = prompt[:, -1:] if self.layout == "encoder_decoder" else prompt
        blanks = torch.zeros(num_samples, length - 1, dtype=torch.int64)
        inputs = torch.cat([start, blanks], dim=1)
        mask = torch.ones(inputs.shape, dtype=torch.bool)
        mask[:, : start.shape[1] - 1] = False
        batch = Batch(input=inputs, target=torch.zeros_like(inputs), mask=mask)
        if self.layout == "stream":
            return batch
        source = prompt[:, -read:]
        return batch._replace(source=source, source_mask=torch.ones(source.shape, dtype=torch.bool))

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Make a batch that continues a text by `length` characters, 400 by default."""
        return self.prompt_batch(self.encode(text or ""), num_samples, length or _SAMPLE_LENGTH)

    def show_answers(self, batch: Batch, answers: Tensor) -> str:
        """Return each prompt with its continuation."""
        return "".join(self.show_while_generating(batch, answers.unbind(1)))

    def show_while_generating(self, batch: Batch, answers: Iterable[Tensor]) -> Iterator[str]:
        """Yield the first sample while it is generated, then the others."""
        read = batch.input[:, : int(batch.mask[0].int().argmax()) + 1]
        return self._pieces(batch, answers, read if batch.source is None else batch.source)

    def write_while_generating(self, batch: Batch, answers: Iterable[Tensor]) -> Iterator[str]:
        """Yield the continuations without the prompt."""
        return self._pieces(batch, answers, batch.input[:, :0])

    def _pieces(self, batch: Batch, answers: Iterable[Tensor], prompt: Tensor) -> Iterator[str]:
        """Yield samples without newlines at their start and end."""
        others: list[list[int]] = []
        waiting, begun = "", False
        asked = batch.mask[0].tolist()
        steps = (ids for ids, here in zip(answers, asked, strict=False) if here)
        for ids in chain(prompt.unbind(1), steps):
            first, *rest = ids.tolist()
            others.append(rest)
            character = self.symbols[first]
            if character == "\n":
                waiting += character
            else:
                yield (waiting if begun else "") + character
                waiting, begun = "", True
        for row in zip(*others, strict=True):
            yield "\n\n---\n\n" + self.decode(row).strip("\n")

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Compute the loss in nats and in bits per character, and the accuracy."""
        scores = super().metrics(output, batch)
        del scores["exact_match"]  # of a whole window: never
        loss, steps = scores["loss"]
        return scores | {"bits_per_char": Mean(loss / math.log(2), steps)}

    def show(self, batch: Batch, output: Tensor) -> str:
        """Align the text with the predictions, each after the true characters before it."""
        width = 80
        guesses = output.argmax(dim=2)
        blocks = []
        for row in range(min(4, batch.input.shape[0])):
            asked = batch.mask[row]
            lines = [
                f"text   {self._visible(batch.target[row][asked][:width])}",
                f"guess  {self._visible(guesses[row][asked][:width])}",
            ]
            if batch.source is not None:
                lines.insert(0, f"source {self._visible(batch.source[row, -width:])}")
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    def labels(self, ids: Tensor) -> list[str]:
        """Return a visible character for each id."""
        return [
            _VISIBLE.get(c, c if len(c) == 1 and c.isprintable() else "\N{REPLACEMENT CHARACTER}")
            for c in (self.symbols[index] for index in ids.tolist())
        ]

    def _choose_symbols(
        self, texts: Mapping[Split, Characters], min_count: int | None
    ) -> tuple[str, ...]:
        counts = {
            split: {
                chr(code): number
                for code, number in zip(text.alphabet, text.counts().tolist(), strict=True)
                if number
            }
            for split, text in texts.items()
        }
        held_out = (character for part in counts.values() for character in part)
        symbols = choose_symbols(counts["train"], held_out, min_count, self.stored_symbols)
        if len(symbols) < 2:
            raise ConfigError(
                "task.path must be a text of 2 or more different characters, got "
                f"{self._files.path!r} with nothing but {symbols[0]!r}"
            )
        return tuple(symbols)

    def _ids(self, text: Characters) -> np.ndarray:
        """Convert a text to ids."""
        unknown = self._unknown
        ids = {c: index for index, c in enumerate(self.symbols) if index != unknown}
        return text.translated(
            np.array([ids.get(chr(code), unknown or 0) for code in text.alphabet])
        )

    def _read_splits(
        self, val_fraction: float | None, test_fraction: float | None
    ) -> dict[Split, Characters]:
        """Read each split, from a file of its own or as a share of the text."""
        shares: dict[Split, float] = {"val": 0.0, "test": 0.0}
        own: dict[Split, Characters] = {}
        for split, fraction in zip(shares, (val_fraction, test_fraction), strict=True):
            key = self._files.key(split)
            if key == "task.path":
                shares[split] = _SHARE if fraction is None else fraction
            elif fraction is None:
                own[split] = self._read_file(split)
            else:
                raise ConfigError(
                    f"task.{split}_fraction must be null where {key} gives the text, got {fraction}"
                )
        if self._files.path is None:
            plays = read_plays()
            self._plays = hashlib.sha256(plays.encode()).hexdigest()
            text = characters_of(plays)
        else:
            text = self._read_file("train")
        return _split(text, shares["val"], shares["test"]) | own

    def _read_file(self, split: Split) -> Characters:
        key = self._files.key(split)
        return read_characters(self._files.named[key], key=key, encoding=self._files.encoding)

    def _visible(self, ids: Tensor) -> str:
        return "".join(self.labels(ids))

    def _read(self, length: int) -> int:
        """Return the characters of a window that are read before the first answer."""
        if self.layout == "stream":
            return 1
        return max(1, length // 2) if self.cut is None else self.cut

    def _answered(self, length: int) -> int:
        """Return the characters of a window that are answered."""
        read = self._read(length)
        answered = length - read if self.layout == "encoder_decoder" else length
        if answered < 1:
            raise ConfigError(f"task.length must be more than the cut at {read}, got {length}")
        return answered

    def _grid(self, batch_size: int, length: int) -> tuple[int, int]:
        """Return the characters and the windows of each training stream."""
        read, answered = self._read(length), self._answered(length)
        size = len(self._splits["train"])
        stream = (size - read) // batch_size
        if stream < answered:
            raise ConfigError(
                f"task.path must be a text whose train split has {batch_size * answered + read} "
                f"or more characters, for batch_size={batch_size} and task.length={length}, "
                f"got {size}: take smaller ones, a larger share, or a longer text"
            )
        return stream, stream // answered

    def _answerable(self, split: Split, length: int) -> int:
        """Return the characters of a held-out split that are answered."""
        read, size = self._read(length), len(self._splits[split])
        if size <= read:
            raise ConfigError(
                f"{self._files.key(split)} must be a text whose {split} split has {read + 1} or "
                f"more characters, got {size}: take a larger share, or a longer text"
            )
        return size - read

    def _held_out_batches(self, split: Split, batch_size: int, length: int) -> int:
        """Return the number of batches of a held-out split."""
        total, answered = self._answerable(split, length), self._answered(length)
        if self.layout == "encoder_decoder":
            return _rounded_up(_rounded_up(total, answered), batch_size)
        if total < batch_size:
            raise ConfigError(
                f"{self._files.key(split)} must be a text whose {split} split has {batch_size + 1} "
                f"or more characters for {batch_size} sequences, got {total + 1}"
            )
        return _rounded_up(_rounded_up(total, batch_size), answered)

    def _held_out_windows(
        self, split: Split, index: int, batch_size: int, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return where each window of a batch starts, and where its answered characters end."""
        total, answered = self._answerable(split, length), self._answered(length)
        if self.layout == "encoder_decoder":  # every count-th window, from all over the split
            count = self._held_out_batches(split, batch_size, length)
            starts = np.arange(index, _rounded_up(total, answered), count) * answered
            return starts, (starts + answered).clip(max=total)
        bounds = np.arange(batch_size + 1) * total // batch_size
        starts = bounds[:-1] + index * answered
        return starts, np.minimum(starts + answered, bounds[1:])


def _rounded_up(total: int, size: int) -> int:
    """Divide and round up."""
    return -(-total // size)


def _split(text: Characters, val_fraction: float, test_fraction: float) -> dict[Split, Characters]:
    """Divide the text into disjoint splits."""
    if val_fraction + test_fraction >= 1:
        raise ConfigError(
            "task.val_fraction and task.test_fraction must leave some text for training, got "
            f"{val_fraction} and {test_fraction}"
        )
    size = len(text.numbers)
    val_size, test_size = int(size * val_fraction), int(size * test_fraction)
    parts = np.split(text.numbers, [size - val_size - test_size, size - test_size])
    return {
        split: Characters(part, text.alphabet) for split, part in zip(SPLITS, parts, strict=True)
    }


def ngram_floors(train: np.ndarray, held_out: np.ndarray, vocab_size: int) -> dict[str, float]:
    """Compute the scores on `held_out` of a unigram and a bigram model counted on `train`.

        P(b)     = (n(b) + 1) / (n + V)
        P(b | a) = (n(ab) + P(b)) / (n(a) + 1)

    Add-one smoothing, and one more count that the unigram model shares out (MacKay and Peto,
    1995, with a weight of 1). Losses are in nats per character.
    """
    counts = count(train, vocab_size)
    unigram = (counts + 1) / (len(train) + vocab_size)

    before, after = held_out[:-1].astype(np.int64), held_out[1:].astype(np.int64)
    pairs, pair_counts = count_pairs(train, vocab_size)
    place = np.searchsorted(pairs, before * vocab_size + after).clip(max=len(pairs) - 1)
    seen = np.where(pairs[place] == before * vocab_size + after, pair_counts[place], 0)
    starts = count(train[:-1], vocab_size)
    bigram = (seen + unigram[after]) / (starts[before] + 1)

    guess = np.full(vocab_size, counts.argmax())  # after a character that is not in train
    order = np.argsort(pair_counts, kind="stable")  # the most frequent pair of each is written last
    guess[pairs[order] // vocab_size] = pairs[order] % vocab_size
    loss = float(-np.log(unigram[after]).mean())
    return {
        "loss": loss,
        "bits_per_char": loss / math.log(2),
        "loss_bigram": float(-np.log(bigram).mean()),
        "accuracy": float((after == counts.argmax()).mean()),
        "accuracy_bigram": float((after == guess[before]).mean()),
    }
