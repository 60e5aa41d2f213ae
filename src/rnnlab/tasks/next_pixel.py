"""Pictures as sequences of pixels: predict each from those before it, and draw new ones."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.plots.draw import join
from rnnlab.plots.gallery import gallery
from rnnlab.ranges import DataFile
from rnnlab.spec import Batch, Layout, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.file_task import StoredSymbols
from rnnlab.tasks.pictures import LabelPlace, Picture, picture_files, read_pictures
from rnnlab.tasks.rows import RowTask

_SHEET = 8  # pictures of each kind in a sample
_PRIOR = 2.0  # counts that the simpler model adds to each context of the next one
_START = "start"

Levels = Annotated[int, Ge(2), Le(256)]


@stackable()
class NextPixel(RowTask[Picture]):
    """Next pixel: predict the grey level of each pixel from those above it and left of it.

    Larochelle and Murray (2011); van den Oord et al. (2016) for recurrent networks. A picture of
    2x2 pixels a b / c d, `|` is the start:

        input    | a b c
        target   a b c d
        mask     x x x x

    Grey levels are tokens. In the encoder-decoder layout the encoder reads the upper half, and only
    the lower half is answered. Labels are not read.

    The floors are scores on test of models that count in train: the frequency of each level (`loss`
    in nats, `bits_per_pixel`, `accuracy`), that at each position (`bits_per_pixel_position`), and
    that after the neighbours left and above (`bits_per_pixel_neighbours`).

    A sample is a sheet of eight pictures drawn from nothing and eight whose upper half was given; a
    `length` counts the pixels that these lack.

    Args:
        stored: the levels of a trained model.
        path: a CSV file, a picture a line: grey levels from 0 to 255, row by row, and a label;
            `null` for the digits of scikit-learn.
        val_path: such a file to validate on; `null` for a tenth of `path`.
        test_path: such a file to test on; `null` for a tenth of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.
        label: whether the label is first or last in a line.
        levels: number of grey levels that are told apart; `null` for all up to the brightest.
    """

    scores_exact_match = False  # of a whole picture: never
    scores_free_run = False
    higher_is_better: ClassVar = {**Task.higher_is_better, "bits_per_pixel": False}

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
        label: Literal["first", "last"],
        levels: Levels | None,
    ) -> None:
        self.label_place: LabelPlace = label
        files = picture_files(path, val_path, test_path, encoding)
        super().__init__(layout, seed, stored, files)
        rows = self.rows.all
        self.side = rows[0].pixels.shape[0] if rows else 1
        self.brightest = max((int(row.pixels.max()) for row in rows), default=0) or 1
        count = levels or self.brightest + 1
        self.symbols = tuple(self.stored_symbols or (*map(str, range(count)), _START))
        self.written = self.symbols
        self.start = len(self.symbols) - 1
        tokens = Tokens(len(self.symbols))
        self.spec = self.spec_of(tokens, tokens, feedback=True)

    def parse(self, text: str, key: str, path: str) -> list[Picture]:
        """Read pictures, which must be of one size with several pixels."""
        pictures = read_pictures(text, self.label_place, key, path)
        if not pictures or pictures[0].pixels.size < 4:
            raise ConfigError(f"{key}: {path} must hold pictures of 2x2 pixels or more")
        return pictures

    def identity(self, row: Picture) -> str:
        """Return the pixels of a picture, which must not stand in two splits."""
        return hashlib.sha256(row.pixels.tobytes()).hexdigest()

    def lay_out(self, rows: Sequence[Picture]) -> Batch:
        """Make a batch of pictures."""
        ids = self._ids(rows)
        started = torch.cat([torch.full_like(ids[:, :1], self.start), ids], dim=1)
        mask = torch.ones_like(ids, dtype=torch.bool)
        if self.layout == "stream":
            return Batch(started[:, :-1], ids, mask)
        cut = self._half
        source = ids[:, :cut]
        known = torch.ones_like(source, dtype=torch.bool)
        return Batch(ids[:, cut - 1 : -1], ids[:, cut:], mask[:, cut:], source, known)

    @property
    def _half(self) -> int:
        """Number of pixels of the upper half."""
        return self.side * (self.side // 2)

    def _ids(self, rows: Sequence[Picture]) -> Tensor:
        """Return the pixels as ids, `(B, T)`."""
        pixels = np.stack([row.pixels.ravel() for row in rows]).astype(np.int64)
        ids = pixels * self.start // (self.brightest + 1)
        return torch.from_numpy(ids.clip(max=self.start - 1))

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Compute the loss in nats and in bits per pixel, and the accuracy."""
        scores = super().metrics(output, batch)
        loss, steps = scores["loss"]
        return scores | {"bits_per_pixel": Mean(loss / math.log(2), steps)}

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of counting levels, alone, by position and by neighbours."""
        train, test = (self._ids(self.rows[split]).numpy() for split in ("train", "test"))
        return counted_floors(train, test, self.side, self.start)

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Make a batch of sheets: pictures from nothing, and test pictures whose end is missing."""
        if text is not None:
            raise ConfigError(f"prompt must be null, got {text!r}: pictures are drawn from nothing")
        rows = self.rows["test"]
        count = _SHEET * num_samples
        given = self.lay_out([rows[index % len(rows)] for index in range(count)])
        if self.layout == "encoder_decoder":
            return given
        missing = (
            length if length is not None and length < self.side**2 else self.side**2 - self._half
        )
        whole = given.mask.clone()
        given.mask[:, : self.side**2 - missing] = False
        inputs, targets = (torch.cat([part, part]) for part in (given.input, given.target))
        return Batch(inputs, targets, torch.cat([whole, given.mask]))

    def show_answers(self, batch: Batch, answers: Tensor) -> Image.Image:
        """Draw a sheet: pictures from nothing; what was given of others, their ends, the target."""
        drawn = self._whole(
            batch, torch.where(batch.mask, answers.to(batch.mask.device), batch.target)
        )
        truth = self._whole(batch, batch.target)
        free = (
            batch.mask.all(1).cpu().numpy() if batch.source is None else np.zeros(len(drawn), bool)
        )
        sheets = []
        if free.any():
            sheets.append(self._gallery(drawn[free], "drawn from nothing"))
        if not free.all():
            asked = np.ones(drawn.shape, dtype=bool)
            asked.reshape(len(drawn), -1)[:, -batch.mask.shape[1] :] = batch.mask.cpu().numpy()
            given = np.where(asked, np.nan, truth / (self.start - 1))[~free]
            sheets.append(gallery(given, [""] * len(given), title="given"))
            sheets.append(self._gallery(drawn[~free], "completed"))
            sheets.append(self._gallery(truth[~free], "target"))
        return join(sheets, vertical=True)

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw pictures, and below them the likeliest pixel at each place given the true ones."""
        guesses = torch.where(batch.mask, output[..., : self.start].argmax(dim=2), batch.target)
        pictures = [
            self._gallery(self._whole(batch, ids), title)
            for ids, title in ((batch.target, "target"), (guesses, "each pixel from those before"))
        ]
        return join(pictures, vertical=True)

    def _whole(self, batch: Batch, ids: Tensor) -> NDArray[np.int64]:
        """Return pictures `(B, N, N)` from their answered pixels `(B, T)`."""
        pixels = ids if batch.source is None else torch.cat([batch.source, ids], dim=1)
        return pixels.cpu().numpy().reshape(-1, self.side, self.side)

    def _gallery(self, pictures: NDArray[np.int64], title: str) -> Image.Image:
        return gallery(pictures / (self.start - 1), [""] * len(pictures), title=title)


def counted_floors(
    train: NDArray[np.int64], test: NDArray[np.int64], side: int, levels: int
) -> dict[str, float]:
    """Score models that count levels in train.

        P(x)           = (n(x) + 1) / (n + levels)
        P(x | context) = (n(context x) + 2 P(x | less)) / (n(context) + 2)

    The context is the position; or the pixel to the left, and with it as `less` those left and
    above. Outside of the picture is a level of its own.

    Args:
        train: `(N, T)` levels.
        test: `(M, T)` levels.
        side: pixels in a row.
        levels: number of levels.
    """
    counts = np.bincount(train.ravel(), minlength=levels)
    unigram = ((counts + 1) / (train.size + levels))[test]

    def conditional(
        contexts: list[NDArray[np.int64]], less: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        seen, asked = contexts
        size = int(max(seen.max(), asked.max())) + 1
        pairs = np.zeros((size, levels))
        np.add.at(pairs, (seen.ravel(), train.ravel()), 1)
        return (pairs[asked, test] + _PRIOR * less) / (pairs.sum(1)[asked] + _PRIOR)

    position = [np.broadcast_to(np.arange(part.shape[1]), part.shape) for part in (train, test)]
    left, above = (
        [_neighbour(part, side, levels, axis) for part in (train, test)] for axis in (2, 1)
    )
    both = [a * (levels + 1) + b for a, b in zip(left, above, strict=True)]
    probabilities = {
        "": unigram,
        "_position": conditional(position, unigram),
        "_neighbours": conditional(both, conditional(left, unigram)),
    }
    floors = {
        f"bits_per_pixel{name}": float(-np.log2(p).mean()) for name, p in probabilities.items()
    }
    return floors | {
        "loss": floors["bits_per_pixel"] * math.log(2),
        "accuracy": float((test == counts.argmax()).mean()),
    }


def _neighbour(ids: NDArray[np.int64], side: int, outside: int, axis: int) -> NDArray[np.int64]:
    """Return the pixel before each along an axis of the pictures `(N, side, side)`, as `(N, T)`."""
    pictures = ids.reshape(-1, side, side)
    width = [(0, 0), (0, 0), (0, 0)]
    width[axis] = (1, 0)
    padded = np.pad(pictures, width, constant_values=outside)
    return np.take(padded, np.arange(side), axis=axis).reshape(len(ids), -1)
