"""Digits: a picture is read pixel by pixel, row by row or at once, and named."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rnnlab.plots.gallery import gallery
from rnnlab.random_streams import generator
from rnnlab.ranges import DataFile
from rnnlab.spec import Layout
from rnnlab.stackable import stackable
from rnnlab.tasks.file_task import StoredSymbols
from rnnlab.tasks.pictures import LabelPlace, picture_files, read_pictures
from rnnlab.tasks.recognition import Answered, Recognition, Recording


@stackable()
class Digits(Recognition):
    """Name the digit in a picture that is read pixel by pixel, row by row, or in one step.

    Le, Jaitly and Hinton (2015) for pixel by pixel, and for a fixed permutation of the pixels,
    after which neighbours in the picture are far apart in time. Row by row of 8x8 pixels:

        input    row1 row2 ... row8     8 grey levels each
        target   _    _    ... seven
        mask     .    .    ... x

    Grey levels are standardised by mean and standard deviation of all pixels of train.

    Args:
        stored: the classes of a trained model.
        path: a CSV file, a picture a line: grey levels from 0 to 255, row by row, and a label;
            `null` for the digits of scikit-learn.
        val_path: such a file to validate on; `null` for a tenth of `path`.
        test_path: such a file to test on; `null` for a tenth of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.
        label: whether the label is first or last in a line.
        by: what a step reads.
        permuted: whether the pixels are permuted, in all pictures alike and for all seeds.
        answer: which steps are answered.
    """

    narrow: ClassVar[bool] = True

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
        by: Literal["pixel", "row", "picture"],
        permuted: bool,
        answer: Answered,
    ) -> None:
        self.label_place: LabelPlace = label
        self.by = by
        self.permuted = permuted
        files = picture_files(path, val_path, test_path, encoding)
        super().__init__(layout, seed, stored, files, answer)

    def parse(self, text: str, key: str, path: str) -> list[Recording]:
        """Read pictures, in the order of their pixels."""
        return [
            Recording(self._sequence(picture.pixels), picture.label)
            for picture in read_pictures(text, self.label_place, key, path)
        ]

    def moments(self, rows: Sequence[Recording]) -> tuple[Any, Any]:
        """Return mean and standard deviation of all pixels."""
        values = np.concatenate([row.values for row in rows])
        return values.mean(), values.std() or 1.0

    def draw(self, values: NDArray[np.float32], title: str) -> Image.Image:
        """Draw a picture from its sequence."""
        picture = np.empty(values.size)
        picture[self._order(values.size)] = values.ravel()
        side = round(values.size**0.5)
        shades = picture.reshape(1, side, side) / max(1, picture.max())
        return gallery(shades, [title], title="", size=160)

    def _sequence(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the pixels `(T, I)` in the order of reading."""
        read = pixels.ravel()[self._order(pixels.size)].astype(np.float32)
        return read.reshape(-1, {"pixel": 1, "row": len(pixels), "picture": pixels.size}[self.by])

    def _order(self, size: int) -> NDArray[np.int64]:
        """Return the place of each pixel that is read."""
        return generator(0, "task", 0).permutation(size) if self.permuted else np.arange(size)
