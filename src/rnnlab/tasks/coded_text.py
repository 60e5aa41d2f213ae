"""A text of symbols that are vectors, of which the next is predicted by squared error."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.random_streams import generator
from rnnlab.spec import SPLITS, Batch, Layout, Reals, Split
from rnnlab.tasks.base import Mean
from rnnlab.tasks.shown_by_row import ShownByRow

Ids = NDArray[np.int64]

_SHOWN = 24  # most symbols of a row


class CodedText(ShownByRow):
    """Predict the vector of the next symbol of a text, as Elman (1990) does.

    A text for each split is drawn once, and read in windows by as many streams as a batch has rows;
    a stream goes on where its last window ended, and the state with it. In the encoder-decoder
    layout a window is cut in the middle: the encoder reads the first part.

    Metrics: `loss`, the mean square of all errors, and the same for each of some classes of the
    next symbol. The floor is the mean vector after each symbol, in train.

    Args:
        codes: each symbol as it is written, and its vector.
        size: drawn units of each text.
        window: symbols answered in a window.
        shuffled: whether the symbols of each text are put in random order, the control: nothing can
            be predicted.
    """

    period: ClassVar[int] = 1  # a window and a stream have a whole number of so many symbols

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        codes: Mapping[str, tuple[float, ...]],
        size: int,
        window: int,
        shuffled: bool,
    ) -> None:
        super().__init__(layout, seed)
        self.written = list(codes)
        self.codes = torch.tensor(list(codes.values()))
        self.window = window
        self.texts: dict[Split, Ids] = {}
        for split in SPLITS:
            rng = generator(seed, split, 0)
            text = self.text(rng, size)
            self.texts[split] = rng.permutation(text) if shuffled else text
        vectors = Reals(self.codes.shape[1])
        self.spec = self.spec_of(vectors, vectors)

    @abstractmethod
    def text(self, rng: np.random.Generator, size: int) -> Ids:
        """Draw a text of so many units, `(N,)`."""

    @abstractmethod
    def classes(self, batch: Batch) -> dict[str, Tensor]:
        """Return which targets `(B, T)` belong to each class of symbols; all have one, or none."""

    def fingerprint(self) -> str:
        """Add a hash of the texts, which differ from seed to seed."""
        texts = b"".join(text.tobytes() for text in self.texts.values())
        return hashlib.sha256(super().fingerprint().encode() + texts).hexdigest()[:16]

    def num_streams(self, split: Split) -> int | None:  # noqa: ARG002
        """Return 1: a held-out text is one stream, so that each symbol is answered once."""
        return None if self.layout == "encoder_decoder" else 1

    def num_batches(self, split: Split, batch_size: int) -> int:
        """Return the number of windows of each stream; the last one may be shorter."""
        return -(-self._stream(split, batch_size) // self.window)

    def _stream(self, split: Split, batch_size: int) -> int:
        """Return the symbols that each of so many streams answers."""
        size = len(self.texts[split]) - 1
        stream = size // batch_size // self.period * self.period
        if not stream:
            raise ConfigError(
                f"task.size must make {batch_size * self.period + 1} symbols or more for batches "
                f"of {batch_size}, got {size + 1}"
            )
        return stream

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch: window `index` of every stream, modulo the number of windows."""
        if length is not None:
            raise ConfigError(f"length can't be chosen where texts go on, got {length}")
        stream = self._stream(split, batch_size)
        window = index % self.num_batches(split, batch_size)
        start = window * self.window
        steps = np.arange(start, min(start + self.window, stream) + 1)
        vectors = self.codes[self.texts[split][np.arange(batch_size)[:, None] * stream + steps]]
        if self.layout == "stream":
            mask = torch.ones(vectors.shape[0], len(steps) - 1, dtype=torch.bool)
            first = torch.full((batch_size,), window == 0)
            return Batch(vectors[:, :-1], vectors[:, 1:], mask, first=first)
        cut = len(steps) // 2
        source, target = vectors[:, :cut], vectors[:, cut:]
        known, mask = (torch.ones(part.shape[:2], dtype=torch.bool) for part in (source, target))
        return Batch(vectors[:, cut - 1 : -1], target, mask, source, known)

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores in train of the mean vector after each symbol."""
        text = torch.from_numpy(self.texts["train"])
        vectors, last = self.codes[text], torch.eye(len(self.codes))[text[:-1]]
        means = (last.T @ vectors[1:]) / last.sum(0).clamp(min=1)[:, None]
        mask = torch.ones(1, len(last), dtype=torch.bool)
        batch = Batch(vectors[None, :-1], vectors[None, 1:], mask)
        scores = self.metrics(means[text[:-1]][None], batch)
        return {name: float(mean.value) for name, mean in scores.items()}

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add the mean square of the errors on each class of symbols."""
        scores = super().metrics(output, batch)
        squares = (output - batch.target).square()
        for name, members in self.classes(batch).items():
            here = members & batch.mask
            count = here.sum() * output.shape[2]
            scores[f"loss_{name}"] = Mean((squares * here[..., None]).sum() / count, count)
        return scores

    def labels(self, ids: Tensor) -> list[str]:
        """Return the symbols whose vectors are nearest."""
        nearest = torch.cdist(ids, self.codes.to(ids)).argmin(dim=1)
        return [self.written[i] for i in nearest.tolist()]

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Write each next symbol, and below it the root mean square of the error."""
        target = batch.target[row, :_SHOWN]
        errors = (output[row, :_SHOWN] - target).square().mean(dim=1).sqrt().tolist()
        symbols = self.labels(target)
        cells = {"next": symbols, "error": [f"{error:.2f}".lstrip("0") for error in errors]}
        width = max(5, 1 + max(map(len, symbols)))
        return "\n".join(
            f"{name:<6}{''.join(f'{cell:>{width}}' for cell in line)}"
            for name, line in cells.items()
        )
