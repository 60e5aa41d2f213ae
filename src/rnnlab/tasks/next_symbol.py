"""Language modelling: each symbol of a text is predicted from those before it."""

import hashlib
import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise, starmap
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.ranges import DataFile, PositiveInt, Share
from rnnlab.spec import SPLITS, Batch, Layout, Split, Tokens
from rnnlab.tasks.base import Task
from rnnlab.tasks.characters import NumberedText, count, count_pairs
from rnnlab.tasks.corpus import TextFiles, read_plays
from rnnlab.tasks.file_task import FileTask, NoData, StoredSymbols
from rnnlab.tasks.own_input import OwnInput
from rnnlab.tasks.shown_by_row import ShownByRow
from rnnlab.tasks.vocabulary import UNKNOWN, choose_symbols, unseen_symbols

_SHARE = 0.05  # default share of a text for validation, and for test
_STREAMS, _STREAM_LENGTH = 64, 1000  # of held-out text: most streams, fewest symbols of each

_SAMPLE_LENGTH = 400  # default symbols of a sample


class NextSymbol(FileTask, ShownByRow, OwnInput):
    """Predict each symbol of a text from those before it; see `NextChar` for splits and batches.

    A class of its own says what a symbol is: how a text becomes numbers (`number`, `read_file`),
    how it is cut (`symbols_of`) and how symbols become a text (`spaced`).

    Attributes:
        unit: what symbols are called, for errors.
        symbols: all symbols of the text, sorted; with `min_count` the common ones after `<unk>`.
    """

    higher_is_better: ClassVar = {**Task.higher_is_better, "perplexity": False}
    unit: ClassVar[str] = "symbols"
    scores_exact_match = False  # of a whole window: never
    scores_free_run = False
    prompt_by_line = False
    by_line = False

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
        self.spec = self.spec_of(symbols, symbols, feedback=True)

    @property
    def _unknown(self) -> int | None:
        """The id of `UNKNOWN`, or `None` if the vocabulary has none."""
        return self.symbols.index(UNKNOWN) if UNKNOWN in self.symbols else None

    @abstractmethod
    def number(self, text: str) -> NumberedText:
        """Convert a text to numbers."""

    @abstractmethod
    def read_file(self, path: str, key: str, encoding: str | None) -> NumberedText:
        """Read a file as numbers.

        Raises:
            ConfigError: it is missing, unreadable, empty or not a text.
        """

    @abstractmethod
    def symbols_of(self, text: str) -> Sequence[str]:
        """Split a text into symbols."""

    @abstractmethod
    def spaced(self, before: str, symbol: str) -> str:
        """Return a symbol as it is written after another one, which may be empty."""

    def warnings(self) -> Iterator[str]:
        """Warn about held-out text whose symbols don't occur in training."""
        counts = {split: count(ids, len(self.symbols)) for split, ids in self._splits.items()}
        train = counts.pop("train")
        advice = "is it text of another kind?"
        return unseen_symbols(train, counts, self.unit, advice, self._unknown)

    def encode(self, text: str) -> list[int]:
        """Convert a text to ids.

        Raises:
            ConfigError: a symbol is neither in the vocabulary nor replaced by `UNKNOWN`.
        """
        symbols = self.symbols_of(text)
        ids = {symbol: index for index, symbol in enumerate(self.symbols)}
        if self._unknown is not None:
            return [ids.get(symbol, self._unknown) for symbol in symbols]
        for position, symbol in enumerate(symbols):
            if symbol not in ids:
                accepted = "".join(self.symbols[:100])
                accepted += "..." if len(self.symbols) > 100 else ""
                raise ConfigError(
                    f"prompt must be of the {len(self.symbols)} {self.unit} that the text has, "
                    f"got {symbol!r} at position {position}; it takes {accepted!r}"
                )
        return [ids[symbol] for symbol in symbols]

    def decode(self, ids: Sequence[int]) -> str:
        """Convert ids to a text, the inverse of `encode` except for spaces between words."""
        symbols = [self.symbols[index] for index in ids]
        return "".join(starmap(self.spaced, pairwise(["", *symbols])))

    def fingerprint(self) -> str:
        """Add a hash of the plays, whose package may change without any setting."""
        fingerprint = super().fingerprint()
        return hashlib.sha256(f"{fingerprint} {self._plays}".encode()).hexdigest()[:16]

    def num_batches(self, split: Split, batch_size: int) -> int:
        """Return the number of batches in which every symbol is answered once."""
        if split == "train":
            return self._grid(batch_size, self.length)[1]
        return self._held_out_batches(split, batch_size, self.length)

    def num_streams(self, split: Split) -> int | None:
        """Return one stream per 1,000 symbols, 64 at most."""
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
        other one its last `cut` symbols are the source. An empty prompt is a newline. Inputs
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
        """Make a batch that continues a text by `length` symbols, 400 by default."""
        return self.prompt_batch(self.encode(text or ""), num_samples, length or _SAMPLE_LENGTH)

    def read_input(self, text: str, key: str, path: str) -> list[list[int]]:
        """Convert a text to go on from to ids; a newline at its end is left out."""
        try:
            return [self.encode(text.removesuffix("\n"))]
        except ConfigError:
            for number, line in enumerate(text.split("\n"), start=1):
                try:
                    self.encode(line)
                except ConfigError as error:
                    raise ConfigError(f"{key}: line {number} of {path}: {error}") from error
            raise

    def input_batch(self, examples: Sequence[list[int]], length: int | None) -> Batch:
        """Make a batch that continues a text, 400 symbols by default."""
        (ids,) = examples
        return self.prompt_batch(ids, 1, length or _SAMPLE_LENGTH)

    def answer_texts(self, batch: Batch, answers: Tensor) -> list[str]:
        """Return the continuation of each row."""
        rows = zip(answers, batch.mask, strict=True)
        return [self.decode(ids[asked].tolist()) for ids, asked in rows]

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
        waiting, before = "", ""
        asked = batch.mask[0].tolist()
        steps = (ids for ids, here in zip(answers, asked, strict=False) if here)
        for ids in chain(prompt.unbind(1), steps):
            first, *rest = ids.tolist()
            others.append(rest)
            symbol = self.symbols[first]
            if symbol == "\n":
                waiting += symbol
            else:
                written = self.spaced("\n" if waiting else before, symbol)
                yield (waiting if before else "") + written
                waiting, before = "", symbol
        for row in zip(*others, strict=True):
            yield "\n\n---\n\n" + self.decode(row).strip("\n")

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return the perplexity, the exponential of the mean loss."""
        return {"perplexity": math.exp(min(means["loss"], 700))} if "loss" in means else {}

    def _choose_symbols(
        self, texts: Mapping[Split, NumberedText], min_count: int | None
    ) -> tuple[str, ...]:
        counts = {
            split: {
                symbol: number
                for symbol, number in zip(text.symbols, text.counts().tolist(), strict=True)
                if number
            }
            for split, text in texts.items()
        }
        held_out = (symbol for part in counts.values() for symbol in part)
        symbols = choose_symbols(counts["train"], held_out, min_count, self.stored_symbols)
        if len(symbols) < 2:
            raise ConfigError(
                f"task.path must be a text of 2 or more different {self.unit}, got "
                f"{self._files.path!r} with nothing but {symbols[0]!r}"
            )
        return tuple(symbols)

    def _ids(self, text: NumberedText) -> np.ndarray:
        """Convert a text to ids."""
        unknown = self._unknown
        ids = {symbol: index for index, symbol in enumerate(self.symbols) if index != unknown}
        return text.translated(np.array([ids.get(symbol, unknown or 0) for symbol in text.symbols]))

    def _read_splits(
        self, val_fraction: float | None, test_fraction: float | None
    ) -> dict[Split, NumberedText]:
        """Read each split, from a file of its own or as a share of the text."""
        shares: dict[Split, float] = {"val": 0.0, "test": 0.0}
        own: dict[Split, NumberedText] = {}
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
            text = self.number(plays)
        else:
            text = self._read_file("train")
        return _split(text, shares["val"], shares["test"]) | own

    def _read_file(self, split: Split) -> NumberedText:
        key = self._files.key(split)
        return self.read_file(self._files.named[key], key, self._files.encoding)

    def _read(self, length: int) -> int:
        """Return the symbols of a window that are read before the first answer."""
        if self.layout == "stream":
            return 1
        return max(1, length // 2) if self.cut is None else self.cut

    def _answered(self, length: int) -> int:
        """Return the symbols of a window that are answered."""
        read = self._read(length)
        answered = length - read if self.layout == "encoder_decoder" else length
        if answered < 1:
            raise ConfigError(f"task.length must be more than the cut at {read}, got {length}")
        return answered

    def _grid(self, batch_size: int, length: int) -> tuple[int, int]:
        """Return the symbols and the windows of each training stream."""
        read, answered = self._read(length), self._answered(length)
        size = len(self._splits["train"])
        stream = (size - read) // batch_size
        if stream < answered:
            raise ConfigError(
                f"task.path must be a text whose train split has {batch_size * answered + read} "
                f"or more {self.unit}, for batch_size={batch_size} and task.length={length}, "
                f"got {size}: take smaller ones, a larger share, or a longer text"
            )
        return stream, stream // answered

    def _answerable(self, split: Split, length: int) -> int:
        """Return the symbols of a held-out split that are answered."""
        read, size = self._read(length), len(self._splits[split])
        if size <= read:
            raise ConfigError(
                f"{self._files.key(split)} must be a text whose {split} split has {read + 1} or "
                f"more {self.unit}, got {size}: take a larger share, or a longer text"
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
                f"or more {self.unit} for {batch_size} sequences, got {total + 1}"
            )
        return _rounded_up(_rounded_up(total, batch_size), answered)

    def _held_out_windows(
        self, split: Split, index: int, batch_size: int, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return where each window of a batch starts, and where its answered symbols end."""
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


def _split(
    text: NumberedText, val_fraction: float, test_fraction: float
) -> dict[Split, NumberedText]:
    """Divide the text into disjoint splits."""
    if val_fraction + test_fraction >= 1:
        raise ConfigError(
            "task.val_fraction and task.test_fraction must leave some text for training, got "
            f"{val_fraction} and {test_fraction}"
        )
    size = len(text.numbers)
    val_size, test_size = int(size * val_fraction), int(size * test_fraction)
    parts = np.split(text.numbers, [size - val_size - test_size, size - test_size])
    return {split: text._replace(numbers=part) for split, part in zip(SPLITS, parts, strict=True)}


def ngram_floors(
    train: np.ndarray, held_out: np.ndarray, vocab_size: int, prior: float = 1.0
) -> dict[str, float]:
    """Compute the scores on `held_out` of a unigram and a bigram model counted on `train`.

        P(b)     = (n(b) + 1) / (n + V)
        P(b | a) = (n(ab) + prior P(b)) / (n(a) + prior)

    Add-one smoothing, and as many more counts as `prior` says that the unigram model shares out
    (MacKay and Peto, 1995). Losses are in nats per symbol, perplexities are their exponentials.
    """
    counts = count(train, vocab_size)
    unigram = (counts + 1) / (len(train) + vocab_size)

    before, after = held_out[:-1].astype(np.int64), held_out[1:].astype(np.int64)
    pairs, pair_counts = count_pairs(train, vocab_size)
    place = np.searchsorted(pairs, before * vocab_size + after).clip(max=len(pairs) - 1)
    seen = np.where(pairs[place] == before * vocab_size + after, pair_counts[place], 0)
    starts = count(train[:-1], vocab_size)
    bigram = (seen + prior * unigram[after]) / (starts[before] + prior)

    guess = np.full(vocab_size, counts.argmax())  # after a symbol that is not in train
    order = np.argsort(pair_counts, kind="stable")  # the most frequent pair of each is written last
    guess[pairs[order] // vocab_size] = pairs[order] % vocab_size
    loss, loss_bigram = (float(-np.log(share).mean()) for share in (unigram[after], bigram))
    return {
        "loss": loss,
        "loss_bigram": loss_bigram,
        "perplexity": math.exp(loss),
        "perplexity_bigram": math.exp(loss_bigram),
        "accuracy": float((after == counts.argmax()).mean()),
        "accuracy_bigram": float((after == guess[before]).mean()),
    }
