"""Text, read a character at a time."""

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
from rnnlab.spec import Batch, Layout, Split, TaskSpec, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.corpus import TextFiles, read_plays
from rnnlab.tasks.file_task import FileTask, Known, NoData
from rnnlab.tasks.vocabulary import UNKNOWN, choose_symbols, unseen_symbols

_VISIBLE = {"\n": "↵", "\t": "→"}

_SHARE = 0.05  # of a text to validate on, and to test on, where nobody says
_STREAMS, _STREAM_LENGTH = 64, 1000  # of held-out text: most, and least characters of one

_SPOKEN = 400  # characters that a sample goes on where nobody says


@stackable(alone=lambda _: "carries its state from batch to batch")
class NextChar(FileTask):
    """Next character: predict what follows in a text.

    Elman (1990) for letters in a row; Graves (2013) for long texts. Each split is one piece of
    the text, train first. Length 7:

        input    R O M E O : ↵
        target   O M E O : ↵ O
        mask     x x x x x x x

    Stream layout: a split is cut into `batch_size` streams, and batch i is the i-th window of
    each, so that the state goes on from batch to batch; `first` is True in a stream's first
    window. Encoder-decoder layout: the first `cut` characters of each window are the source, the
    decoder's first input is the last of them, and it goes on from there; windows overlap by
    `cut`, so each character is answered once, and none needs the state of another.

    Of train only windows of the whole length are read. Held-out text is answered once and whole,
    but for the first character of the split (`cut` characters in the encoder-decoder layout),
    which nothing stands before: the last windows are shorter, and the mask is False where a row
    has none left. In the stream layout it is scored in as many streams as it has 1,000
    characters, 64 at most, of which each begins without memory. So a score depends on no size of
    batch, nor there on `length`.

    A character is a Unicode code point; the vocabulary is that of the whole text, or with
    `min_count` of the characters that are common in train: all others are `<unk>` then, a
    character like any other, to be predicted too. The data are the text: the seed changes nothing.

    The floors are the two models that remember nothing, counted on train and scored on val: the
    unigram model, which looks at nothing (`loss`, `bits_per_char`, `accuracy`), and the bigram
    model, which looks at the present character (`loss_bigram` in nats, `accuracy_bigram`).

    Args:
        layout: given by the model.
        seed: without effect.
        known: given for a task that a model has learnt.
        path: the text file; `null` is the plays of Shakespeare.
        val_path: a file to validate on; `null` takes a share of `path`.
        test_path: a file to test on; `null` takes a share of `path`.
        encoding: of the files, by Python's name; `null` for UTF-8.
        min_count: how often a character must stand in train to have a symbol of its own; `null`
            gives one to every character of the whole text.
        length: characters of a window.
        cut: characters of a window that the encoder reads, `null` for half; encoder-decoder
            layout only.
        val_fraction: share of the text, before the test split; `null` for 0.05, or none with
            `val_path`.
        test_fraction: share of the text, at its end; `null` for 0.05, or none with `test_path`.

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
        known: Known | None = None,
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
        self.know(known)
        self._plays = ""
        if self.problem is not None:
            self.symbols = tuple(self.known_symbols or ())
            self._splits: dict[Split, Tensor] = NoData(self.problem)
        else:
            codes = self._read_splits(val_fraction, test_fraction)
            self.symbols = self._choose_symbols(codes, min_count)
            self._splits = {split: self._ids(part) for split, part in codes.items()}
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
        """The id of characters without a symbol of their own, if there are such."""
        return self.symbols.index(UNKNOWN) if UNKNOWN in self.symbols else None

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # a value, made late
        """What remembering nothing scores; counted when asked for, in a fifth of a second."""
        train, val = self._splits["train"].numpy(), self._splits["val"].numpy()
        return ngram_floors(train, val, len(self.symbols))

    def warnings(self) -> Iterator[str]:
        """Warn of held-out text in other characters than those that are learnt."""
        splits: dict[Split, np.ndarray] = {
            split: ids.numpy() for split, ids in self._splits.items()
        }
        train = splits.pop("train")
        advice = "is it text of another kind?"
        return unseen_symbols(train, splits, "characters", advice, self._unknown)

    def encode(self, text: str) -> list[int]:
        """Spell a text as ids.

        Raises:
            ConfigError: a character is not in the vocabulary, and nothing stands for such.
        """
        ids = {character: index for index, character in enumerate(self.symbols)}
        if self._unknown is not None:
            return [ids.get(character, self._unknown) for character in text]
        for position, character in enumerate(text):
            if character not in ids:
                known = "".join(self.symbols[:100])
                known += "..." if len(self.symbols) > 100 else ""
                raise ConfigError(
                    f"prompt must be of the {len(self.symbols)} characters that the text has, "
                    f"got {character!r} at position {position}; it takes {known!r}"
                )
        return [ids[character] for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        """Read ids as a text, the inverse of `encode`."""
        return "".join(self.symbols[index] for index in ids)

    def fingerprint(self) -> str:
        """Tell the plays of one version of their package from another's: no setting names them."""
        known = super().fingerprint()
        return hashlib.sha256(f"{known} {self._plays}".encode()).hexdigest()[:16]

    def num_batches(self, split: Split, batch_size: int) -> int:
        """Count the windows of a stream: how many batches answer the split once."""
        if split == "train":
            return self._grid(batch_size, self.length)[1]
        return self._held_out_batches(split, batch_size, self.length)

    def num_streams(self, split: Split) -> int | None:
        """Give a stream to each 1,000 characters, 64 at most."""
        if self.layout == "encoder_decoder":
            return None
        return min(_STREAMS, max(1, self._answerable(split, self.length) // _STREAM_LENGTH))

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch: window `index`, modulo their number, of every stream."""
        length = self.length if length is None else length
        read, answered = self._read(length), self._answered(length)
        if split == "train":
            stream, count = self._grid(batch_size, length)
            window = index % count
            starts = torch.arange(batch_size) * stream + window * answered
            ends = starts + answered
        else:
            window = index % self._held_out_batches(split, batch_size, length)
            starts, ends = self._held_out_windows(split, window, batch_size, length)
        steps = torch.arange(int((ends - starts).max()))
        places = starts[:, None] + torch.arange(read + len(steps))
        ids = self._splits[split]
        text = ids[places.clamp(max=len(ids) - 1)]
        batch = Batch(
            input=text[:, read - 1 : -1],
            target=text[:, read:],
            mask=starts[:, None] + steps < ends[:, None],
        )
        if self.layout == "stream":
            return batch._replace(first=torch.full((len(starts),), window == 0))
        source = text[:, :read]
        return batch._replace(source=source, source_mask=torch.ones(source.shape, dtype=torch.bool))

    def prompt_batch(self, ids: Sequence[int], num_samples: int, length: int) -> Batch:
        """Make a batch whose masked steps, run free, continue a prompt by `length` characters.

        All rows are alike. The prompt is read whole in the stream layout; its last characters,
        as many as `cut`, are the source in the other. An empty prompt stands for the beginning of
        a line. Inputs behind the prompt and all targets are placeholders.
        """
        if not ids:
            ids = [self.symbols.index("\n") if "\n" in self.symbols else 0]
        prompt = torch.tensor(ids).expand(num_samples, -1)
        read = self._read(self.length)
        told = prompt[:, -1:] if self.layout == "encoder_decoder" else prompt
        blanks = torch.zeros(num_samples, length - 1, dtype=torch.int64)
        inputs = torch.cat([told, blanks], dim=1)
        mask = torch.ones(inputs.shape, dtype=torch.bool)
        mask[:, : told.shape[1] - 1] = False
        batch = Batch(input=inputs, target=torch.zeros_like(inputs), mask=mask)
        if self.layout == "stream":
            return batch
        source = prompt[:, -read:]
        return batch._replace(source=source, source_mask=torch.ones(source.shape, dtype=torch.bool))

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Go on from a text, by 400 characters where no length is said."""
        return self.prompt_batch(self.encode(text or ""), num_samples, length or _SPOKEN)

    def show_answers(self, batch: Batch, answers: Tensor) -> str:
        """Give each prompt with what the model wrote."""
        return "".join(self.show_while_generating(batch, answers.unbind(1)))

    def show_while_generating(self, batch: Batch, answers: Iterable[Tensor]) -> Iterator[str]:
        """Give the first prompt and what the model writes as it comes, then the other samples."""
        told = batch.input[:, : int(batch.mask[0].int().argmax()) + 1]
        return self._written(batch, answers, told if batch.source is None else batch.source)

    def write_while_generating(self, batch: Batch, answers: Iterable[Tensor]) -> Iterator[str]:
        """Give what the model writes."""
        return self._written(batch, answers, batch.input[:, :0])

    def _written(self, batch: Batch, answers: Iterable[Tensor], told: Tensor) -> Iterator[str]:
        """Spell samples without the newlines around them; newlines inside wait for what follows."""
        others: list[list[int]] = []
        waiting, begun = "", False
        asked = batch.mask[0].tolist()
        steps = (ids for ids, here in zip(answers, asked, strict=False) if here)
        for ids in chain(told.unbind(1), steps):
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
        """Score the loss in nats and in bits per character, and the accuracy."""
        scores = super().metrics(output, batch)
        del scores["exact_match"]  # of a whole window: never
        loss, steps = scores["loss"]
        return scores | {"bits_per_char": Mean(loss / math.log(2), steps)}

    def show(self, batch: Batch, output: Tensor) -> str:
        """Align the text with what the model guessed, each character after the true ones."""
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
        """Spell each id in one sign that can be seen."""
        return [
            _VISIBLE.get(c, c if len(c) == 1 and c.isprintable() else "\N{REPLACEMENT CHARACTER}")
            for c in (self.symbols[index] for index in ids.tolist())
        ]

    def _choose_symbols(
        self, codes: Mapping[Split, np.ndarray], min_count: int | None
    ) -> tuple[str, ...]:
        counts = {split: np.bincount(part) for split, part in codes.items()}
        train = {chr(code): int(counts["train"][code]) for code in np.flatnonzero(counts["train"])}
        held_out = (chr(code) for part in counts.values() for code in np.flatnonzero(part))
        symbols = choose_symbols(train, held_out, min_count, self.known_symbols)
        if len(symbols) < 2:
            raise ConfigError(
                "task.path must be a text of 2 or more different characters, got "
                f"{self._files.path!r} with nothing but {symbols[0]!r}"
            )
        return tuple(symbols)

    def _ids(self, codes: np.ndarray) -> Tensor:
        """Give the ids of code points."""
        unknown = self._unknown
        own = [(ord(c), index) for index, c in enumerate(self.symbols) if index != unknown]
        largest = max(int(codes.max(initial=0)), *(code for code, _ in own))
        table = torch.full((largest + 1,), unknown or 0)
        for code, index in own:
            table[code] = index
        return table[torch.from_numpy(codes.astype(np.int64))]

    def _read_splits(
        self, val_fraction: float | None, test_fraction: float | None
    ) -> dict[Split, np.ndarray]:
        """Read each split as code points: from a file of its own, or as a share of the text."""
        shares: dict[Split, float] = {"val": 0.0, "test": 0.0}
        own: dict[Split, np.ndarray] = {}
        for split, fraction in zip(shares, (val_fraction, test_fraction), strict=True):
            key = self._files.key(split)
            if key == "task.path":
                shares[split] = _SHARE if fraction is None else fraction
            elif fraction is None:
                own[split] = _codes(self._files.read(split))
            else:
                raise ConfigError(
                    f"task.{split}_fraction must be null where {key} gives the text, got {fraction}"
                )
        text = read_plays() if self._files.path is None else self._files.read("train")
        if self._files.path is None:
            self._plays = hashlib.sha256(text.encode()).hexdigest()
        return _split(_codes(text), shares["val"], shares["test"]) | own

    def _visible(self, ids: Tensor) -> str:
        return "".join(self.labels(ids))

    def _read(self, length: int) -> int:
        """Count the characters of a window that are read before the first is answered."""
        if self.layout == "stream":
            return 1
        return max(1, length // 2) if self.cut is None else self.cut

    def _answered(self, length: int) -> int:
        """Count the characters of a window that are answered."""
        read = self._read(length)
        answered = length - read if self.layout == "encoder_decoder" else length
        if answered < 1:
            raise ConfigError(f"task.length must be more than the cut at {read}, got {length}")
        return answered

    def _grid(self, batch_size: int, length: int) -> tuple[int, int]:
        """Give the characters of train from one stream to the next, and the windows of each."""
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
        """Count the characters of a held-out split that have something before them to read."""
        read, size = self._read(length), len(self._splits[split])
        if size <= read:
            raise ConfigError(
                f"{self._files.key(split)} must be a text whose {split} split has {read + 1} or "
                f"more characters, got {size}: take a larger share, or a longer text"
            )
        return size - read

    def _held_out_batches(self, split: Split, batch_size: int, length: int) -> int:
        """Count the batches of `batch_size` rows that answer a held-out split once."""
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
    ) -> tuple[Tensor, Tensor]:
        """Give where the windows of a batch begin, and where what they answer ends, from there."""
        total, answered = self._answerable(split, length), self._answered(length)
        if self.layout == "encoder_decoder":  # every count-th window, so that some are of all parts
            count = self._held_out_batches(split, batch_size, length)
            starts = torch.arange(index, _rounded_up(total, answered), count) * answered
            return starts, (starts + answered).clamp(max=total)
        bounds = torch.arange(batch_size + 1) * total // batch_size
        starts = bounds[:-1] + index * answered
        return starts, torch.minimum(starts + answered, bounds[1:])


def _rounded_up(total: int, size: int) -> int:
    """Count the pieces of a size that hold a total, the last one perhaps not full."""
    return -(-total // size)


def _codes(text: str) -> np.ndarray:
    """Give the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _split(text: np.ndarray, val_fraction: float, test_fraction: float) -> dict[Split, np.ndarray]:
    """Cut the text into its splits; they share no character."""
    if val_fraction + test_fraction >= 1:
        raise ConfigError(
            "task.val_fraction and task.test_fraction must leave some text for training, got "
            f"{val_fraction} and {test_fraction}"
        )
    val_size, test_size = int(len(text) * val_fraction), int(len(text) * test_fraction)
    train, val, test = np.split(text, [len(text) - val_size - test_size, len(text) - test_size])
    return {"train": train, "val": val, "test": test}


def ngram_floors(train: np.ndarray, held_out: np.ndarray, vocab_size: int) -> dict[str, float]:
    """Score the unigram and the bigram model, counted on `train`, on `held_out`.

        P(b)     = (n(b) + 1) / (n + V)
        P(b | a) = (n(ab) + P(b)) / (n(a) + 1)

    Add-one smoothing, and one more count that the unigram model shares out (MacKay and Peto,
    1995, with a weight of 1). Losses are in nats per character.
    """
    counts = np.bincount(train, minlength=vocab_size)
    unigram = (counts + 1) / (len(train) + vocab_size)

    before, after = held_out[:-1], held_out[1:]
    pairs, pair_counts = np.unique(train[:-1] * vocab_size + train[1:], return_counts=True)
    place = np.searchsorted(pairs, before * vocab_size + after).clip(max=len(pairs) - 1)
    seen = np.where(pairs[place] == before * vocab_size + after, pair_counts[place], 0)
    starts = np.bincount(train[:-1], minlength=vocab_size)
    bigram = (seen + unigram[after]) / (starts[before] + 1)

    guess = np.full(vocab_size, counts.argmax())  # after a character that is new
    order = np.argsort(pair_counts, kind="stable")  # the commonest pair of each is written last
    guess[pairs[order] // vocab_size] = pairs[order] % vocab_size
    loss = float(-np.log(unigram[after]).mean())
    return {
        "loss": loss,
        "bits_per_char": loss / math.log(2),
        "loss_bigram": float(-np.log(bigram).mean()),
        "accuracy": float((after == counts.argmax()).mean()),
        "accuracy_bigram": float((after == guess[before]).mean()),
    }
