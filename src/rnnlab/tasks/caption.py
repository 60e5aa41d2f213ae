"""Captions: a picture of digits is said in words, with where they stand."""

import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from rnnlab.errors import ConfigError
from rnnlab.plots.gallery import gallery
from rnnlab.ranges import DataFile
from rnnlab.spec import SPLITS, Batch, Layout, Split
from rnnlab.stackable import stackable
from rnnlab.tasks.classifiers import nearest_neighbour
from rnnlab.tasks.file_task import FileTask, StoredSymbols
from rnnlab.tasks.pictures import LabelPlace, Picture, picture_files, read_pictures
from rnnlab.tasks.rows import Rows
from rnnlab.tasks.splits import mix, split_of
from rnnlab.tasks.transcription import Heard, Transcription
from rnnlab.tasks.vocabulary import choose_symbols

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NAMES = {str(digit): name for digit, name in enumerate(_DIGITS)}
_RELATIONS = (("left", "of"), ("above",))
_MOST = 3  # pictures of a canvas, and places along each of its sides
_MARGIN = 2  # pixels by which a picture may be shifted in its place
_CANDIDATES = 16  # captions drawn for each that is wanted, of which most are of another split
_SHOWN = 4
# Canvases for the nearest neighbour.
_COMPARED: Mapping[Split, int] = {"train": 4000, "test": 1000}


class Scene(NamedTuple):
    """B canvases before they are painted.

    Attributes:
        counts: `(B,)` pictures on each, 1 to 3.
        pictures: `(B, 3)` which pictures, as places in all rows.
        labels: `(B, 3)` what they show.
        moves: `(B, 2)` where the next one is: 0 right of it, 1 below it.
        corners: `(B, 3, 2)` row and column of the upper left pixel.
    """

    counts: NDArray[np.int64]
    pictures: NDArray[np.int64]
    labels: NDArray[np.int64]
    moves: NDArray[np.int64]
    corners: NDArray[np.int64]


@stackable()
class Caption(Transcription, FileTask):
    """Say what is on a canvas: `a seven above a two left of a five`.

    One to three pictures of handwritten digits (scikit-learn's, or those of a file) stand on a
    canvas of 3x3 places, each right of the one before or below it, and shifted by up to 2 pixels.
    The source is the canvas through a window as large as a place, moved by half of its side: 5x5
    windows, row by row, whose grey levels are 0 to 1. No picture is in two splits, and a fixed hash
    chooses the split of each caption of two or three digits, about 80 : 10 : 10; val and test have
    these alone. So what is tested are unseen combinations of unseen pictures.

    The floor has the score on test of the caption of the nearest canvas of train
    (`accuracy_nearest_neighbour`), and of whoever is told where each digit stands and takes the
    nearest picture for it (`exact_match_told_where`).

    Args:
        stored: the symbols of a trained model.
        path: a CSV file, a picture a line: grey levels from 0 to 255, row by row, and a label;
            `null` for the digits of scikit-learn.
        val_path: such a file to validate on; `null` for a tenth of `path`.
        test_path: such a file to test on; `null` for a tenth of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.
        label: whether the label is first or last in a line.
    """

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
        label: LabelPlace,
    ) -> None:
        files = picture_files(path, val_path, test_path, encoding)
        self.set_stored(stored)

        def parse(text: str, key: str, path: str) -> list[Picture]:
            return read_pictures(text, label, key, path)

        self.rows = Rows(files, parse, _identity, self.problem)
        pictures = self.rows.all
        self.names = sorted({picture.label for picture in pictures})
        words = {_NAMES.get(name, name) for name in self.names}
        words |= {_article(word) for word in words}
        words |= {word for relation in _RELATIONS for word in relation}
        learnt = self.stored_symbols and self.stored_symbols[self.num_specials :]
        known = learnt or ()
        if pictures:
            known = choose_symbols(dict.fromkeys(words, 1), (), None, learnt)
        self._side = pictures[0].pixels.shape[0] if pictures else 8
        self._pitch = self._side + _MARGIN + self._side % 2  # even, to be moved by half
        self._pixels = np.array([picture.pixels for picture in pictures], dtype=np.float32)
        self._labels = np.array(
            [self.names.index(picture.label) for picture in pictures], dtype=np.int64
        )
        self._pixels /= max(1.0, self._pixels.max(initial=0))
        self._keys = mix(
            np.array([zlib.crc32(name.encode()) for name in self.names], dtype=np.uint64)
        )
        super().__init__(layout, seed, list(known), self._pitch**2)

    def join(self, symbols: list[str]) -> str:
        """Join words with spaces."""
        return " ".join(symbols)

    def hear(self, split: Split, index: int, batch_size: int, length: int | None) -> Heard:
        """Paint canvases, and say what is on them."""
        if length is not None:
            raise ConfigError(f"length can't be chosen of captions, got {length}")
        scene = self._scene(split, index, batch_size)
        windows = self._windows(self._paint(scene))
        texts = [
            [self._ids[word] for word in self._words(*row)]
            for row in zip(scene.counts, scene.labels, scene.moves, strict=True)
        ]
        lengths = np.array([len(text) for text in texts])
        target = np.full((batch_size, lengths.max()), self.pad)
        target[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(texts)
        return Heard(windows, np.full(batch_size, windows.shape[1]), target, lengths)

    def _scene(self, split: Split, index: int, batch_size: int) -> Scene:
        """Draw captions of the split, and pictures and places for them."""
        rng = self.rng(split, index)
        own = self.rows.indices[split]
        least = 1 if split == "train" else 2
        found: list[NDArray[np.int64]] = []
        while sum(map(len, found)) < batch_size:
            size = _CANDIDATES * batch_size
            counts = rng.integers(least, _MOST + 1, size=size)
            pictures = own[rng.integers(len(own), size=(size, _MOST))]
            moves = rng.integers(len(_RELATIONS), size=(size, _MOST - 1))
            drawn = np.concatenate([counts[:, None], pictures, moves], axis=1)
            found.append(drawn[self._splits(counts, pictures, moves) == SPLITS.index(split)])
        drawn = np.concatenate(found)[:batch_size]
        counts, pictures, moves = drawn[:, 0], drawn[:, 1 : 1 + _MOST], drawn[:, 1 + _MOST :]
        used = np.arange(_MOST - 1) < counts[:, None] - 1
        steps = np.stack([used & (moves == 1), used & (moves == 0)], axis=2)  # down, right
        path = np.concatenate([np.zeros_like(steps[:, :1]), steps], axis=1).cumsum(1)
        start = rng.integers(_MOST - path[:, -1])  # (B, 2)
        shift = rng.integers(_MARGIN + 1, size=path.shape)
        corners = (start[:, None] + path) * self._pitch + shift
        return Scene(counts, pictures, self._labels[pictures], moves, corners)

    def _splits(
        self, counts: NDArray[np.int64], pictures: NDArray[np.int64], moves: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the index in `SPLITS` of each caption; those of one digit are of train."""
        factors = np.array([1, 3, 5], dtype=np.uint64)
        used = np.arange(_MOST) < counts[:, None]
        keys = (self._keys[self._labels[pictures]] * factors * used).sum(1)
        keys += ((1 + moves) * used[:, 1:] * [7, 31]).sum(1).astype(np.uint64)
        return np.where(counts == 1, 0, split_of(keys))

    def _paint(self, scene: Scene) -> NDArray[np.float32]:
        """Return canvases `(B, N, N)`."""
        size = _MOST * self._pitch
        canvas = np.zeros((len(scene.counts), size, size), dtype=np.float32)
        for number in range(_MOST):
            (rows,) = np.nonzero(number < scene.counts)
            inside = np.arange(self._side)
            y, x = (scene.corners[rows, number, axis, None] + inside for axis in (0, 1))
            shown = self._pixels[scene.pictures[rows, number]]
            canvas[rows[:, None, None], y[:, :, None], x[:, None, :]] = shown
        return canvas

    def _windows(self, canvas: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a canvas `(B, N, N)` through the window, `(B, 25, I)`."""
        half = self._pitch // 2
        seen = sliding_window_view(canvas, (self._pitch, self._pitch), axis=(1, 2))
        seen = seen[:, ::half, ::half]
        return seen.reshape(len(canvas), -1, self._pitch**2).copy()

    def _canvas(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the canvas `(N, N)` that was seen through windows `(25, I)`."""
        side = 2 * _MOST - 1
        places = windows.reshape(side, side, self._pitch, self._pitch)[::2, ::2]
        return places.transpose(0, 2, 1, 3).reshape(2 * (_MOST * self._pitch,))

    def _words(self, count: int, labels: NDArray[np.int64], moves: NDArray[np.int64]) -> list[str]:
        words: list[str] = []
        for number, label in enumerate(labels[:count]):
            if number:
                words += _RELATIONS[moves[number - 1]]
            name = _NAMES.get(self.names[label], self.names[label])
            words += [_article(name), name]
        return words

    def fingerprint(self) -> str:
        """Add a hash of a package's pictures, which may change without any setting."""
        return self.rows.digest(super().fingerprint())

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of symbols' frequencies by position, and of the nearest pictures."""
        scenes = [self._scene(split, 0, count) for split, count in _COMPARED.items()]
        known, asked = (torch.from_numpy(self._paint(scene)).flatten(1) for scene in scenes)
        places = torch.arange(len(known))
        near = nearest_neighbour(known, places, asked).tolist()
        said, right = (
            [self._words(*row) for row in zip(s.counts, s.labels, s.moves, strict=True)]
            for s in scenes
        )
        hits = [
            a == b
            for index, words in zip(near, right, strict=True)
            for a, b in zip([*said[index], *[""] * 9], [*words, ""], strict=False)
        ]
        used = np.arange(_MOST) < scenes[1].counts[:, None]
        pictures, labels = torch.from_numpy(self._pixels).flatten(1), torch.from_numpy(self._labels)
        trained = torch.from_numpy(self.rows.indices["train"])
        guess = nearest_neighbour(
            pictures[trained], labels[trained], pictures[scenes[1].pictures[used]]
        )
        wrong = np.zeros(used.shape, dtype=bool)
        wrong[used] = guess.numpy() != scenes[1].labels[used]
        return {
            **super().floor,
            "accuracy_nearest_neighbour": float(np.mean(hits)),
            "exact_match_told_where": float(1 - wrong.any(1).mean()),
        }

    def over_picture(
        self, batch: Batch, row: int, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the canvas, and the weights of windows on the pixels that they show."""
        canvas = self._canvas(self.vectors(batch, row))
        shed = np.zeros((len(weights), *canvas.shape))
        half, side = self._pitch // 2, 2 * _MOST - 1
        for place, weight in enumerate(weights.T):
            y, x = (half * step for step in divmod(place, side))
            shed[:, y : y + self._pitch, x : x + self._pitch] += weight[:, None, None]
        return canvas, shed.clip(0, 1)

    def draw(self, batch: Batch, texts: Sequence[str]) -> Image.Image:
        """Draw canvases, with captions."""
        rows = range(min(_SHOWN, len(texts)))
        canvases = np.stack([self._canvas(self.vectors(batch, row)) for row in rows])
        return gallery(canvases, [texts[row] for row in rows], title="", columns=2, size=180)


def _identity(picture: Picture) -> str:
    return repr((picture.pixels.tolist(), picture.label))


def _article(word: str) -> str:
    """Return the article that sounds right before a digit: `an eight`, but `a one`."""
    return "an" if word[0] in "aeiou" and word != "one" else "a"
